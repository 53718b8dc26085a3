"""Training of the scorecard: from labelled loans to a saved model whose card holds its own measurements."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np
import polars as pl

from features.arrays import Ints
from features.feature import Feature
from features.purpose import MODEL_PURPOSE, SCORING_PURPOSE
from features.scorecard.bins import cut_into_bins, keep_informative
from features.scorecard.labels import LABEL, label_loans
from features.scorecard.model_files import save_model
from features.scorecard.points import BASE_ODDS, BASE_POINTS, FACTOR, OFFSET, POINTS_TO_DOUBLE, Model, apply, make_card
from features.scorecard.regression import fit_regression, measure_separation
from features.store import may_serve, open_set, select_views, training_frame
from features.view import View, combine_versions
from ingestion.foundation import Settings, load_settings
from ingestion.foundation.events import report_event

HOLDOUT_SHARE = 0.25
LEAST_OF_EACH_CLASS = 10
NUMERIC = ("bigint", "double", "decimal")


class ScorecardNotTrainable(RuntimeError):
    """There are too few matured loans, or too few good or bad ones, to train on."""


def train(cutoff: date, settings: Settings | None = None) -> Model:
    """Train, save and return the model of a cut-off date; the same inputs give the same file.

    The newest quarter of the applications is held out; its AUC and KS are the model card's.

    Raises: ScorecardNotTrainable; NothingPublished without a warehouse.
    """
    settings = settings or load_settings()
    warehouse = open_set("warehouse", settings, cutoff)
    scoring_views = select_views(settings, None, SCORING_PURPOSE)
    views = tuple(view for view in scoring_views if may_serve(view, MODEL_PURPOSE))
    labelled = label_loans(cutoff, settings)
    rows = training_frame(labelled, [view.view for view in views], MODEL_PURPOSE, settings)
    label = rows["label"].to_numpy().astype(np.int64)
    split = rows.height - int(rows.height * HOLDOUT_SHARE)
    _check_classes(label[:split], rows.height, cutoff)
    content: dict[str, Any] = {
        "feature_version": combine_versions(scoring_views),
        "views": {view.view: view.feature_version for view in views},
        "warehouse_version": warehouse.version,
        "trained_on": cutoff.isoformat(),
        "purpose": MODEL_PURPOSE,
        "label": LABEL,
        "scale": {"points": BASE_POINTS, "odds": BASE_ODDS, "points_to_double_the_odds": POINTS_TO_DOUBLE},
        **_fit_card(rows.head(split), label[:split], select_model_features(views)),
    }
    probability = apply(content, rows)[1]
    content["metrics"] = {
        "training": measure_separation(label[:split], probability[:split]),
        "holdout": measure_separation(label[split:], probability[split:]),
        "matured_loans": labelled.height,
        "excluded_by_consent": labelled.height - rows.height,
    }
    model = save_model(content, settings)
    report_event("model_trained", batch_date=cutoff, rows=split, version=str(model["model_version"]))
    return model


def select_model_features(views: Sequence[View]) -> tuple[Feature, ...]:
    """Numeric features that both model development and scoring may use."""
    return tuple(
        feature
        for view in views
        for feature in view.list_features(SCORING_PURPOSE)
        if MODEL_PURPOSE not in feature.prohibited_for and feature.type.startswith(NUMERIC)
    )


def _check_classes(fitted: Ints, rows: int, cutoff: date) -> None:
    least = min(int(fitted.sum()), int((1 - fitted).sum())) if len(fitted) else 0
    if least < LEAST_OF_EACH_CLASS:
        raise ScorecardNotTrainable(
            f"At {cutoff} {rows} consenting, matured loans are there to learn from, and the "
            f"smaller class has {least} of the {LEAST_OF_EACH_CLASS} it needs; choose a later cut-off or "
            "deliver more history."
        )


def _fit_card(rows: pl.DataFrame, label: Ints, features: Sequence[Feature]) -> dict[str, Any]:
    """The part of a model that awards points: its intercept, and a card for each feature that was kept."""
    binned = keep_informative([cut_into_bins(rows[feature.name], label, feature) for feature in features])
    chosen, coefficients, intercept = fit_regression(rows, label, binned)
    return {
        "intercept": intercept,
        "base_points": round(OFFSET - FACTOR * intercept),
        "features": [make_card(one, beta) for one, beta in zip(chosen, coefficients, strict=True)],
    }
