"""A simulated group brought through four business dates by the stage functions that the DAGs call."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

from features.publish import build_features
from features.scorecard import score
from ingestion.contract import load_registry
from ingestion.foundation import Settings
from ingestion.landing import LandingReport, land_source
from ingestion.simulation import GO_LIVE, simulate
from quality.publication import PublicationRefused, audit_and_publish
from quality.published import open_published
from quality.warehouse import build

CUSTOMERS, DAYS, SEED = 1500, 4, 11
LAST = GO_LIVE + timedelta(days=DAYS - 1)


@dataclass
class Group:
    """What happened to the simulated group, date by date."""

    settings: Settings
    landed: dict[tuple[date, str], LandingReport] = field(default_factory=dict)
    refusals: dict[date, str] = field(default_factory=dict)
    pointers: dict[date, str] = field(default_factory=dict)
    scored: dict[date, Path] = field(default_factory=dict)


def run_group(settings: Settings) -> Group:
    """Deliver, land, build, publish and score each date; a refused date ends there."""
    run = Group(settings)
    for number in range(DAYS):
        day = GO_LIVE + timedelta(days=number)
        simulate(CUSTOMERS, number + 1, SEED, settings.home, progress=lambda _: None)
        for source in load_registry(settings).contracts:
            run.landed[day, source] = land_source(source, day, settings)
        build(day, settings)
        try:
            audit_and_publish("warehouse", day, settings)
        except PublicationRefused as refusal:
            run.refusals[day] = str(refusal)
        else:
            build_features(day, settings)
            run.scored[day] = score(day, settings).path
        run.pointers[day] = open_published("warehouse", settings).version
    return run
