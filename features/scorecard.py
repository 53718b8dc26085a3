"""A logistic scorecard on gated features: trained on past funded applications, applied to the scoring frame.

Label: 30+ days past due ever within 90 days of funding, before compensation (operator >=, so 30 days count),
of loans whose 90 days have passed at the cut-off; reversed loans are left out. Features are as of
`applied_at`, by the same engine as scoring. Scale: 600 points at odds of 50 good to 1 bad, 20 points double
the odds. A score is the sum of whole points, so the reasons add up to it.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from features.clock import scoring_as_of
from features.store import (
    SCORING_PURPOSE,
    SCORING_TABLE,
    open_features,
    scoring_frame,
    select_views,
    serves,
    training_frame,
)
from features.values import ZONE, in_business_zone
from features.view import Feature, View, combined_version
from ingestion.foundation import Settings, load_settings
from ingestion.foundation.events import report_event
from ingestion.foundation.files import replace_atomically
from quality.publication import Publication, audit_and_publish
from quality.published import Published, open_published
from quality.source import ParquetFiles, Rows

BASE_POINTS, BASE_ODDS, POINTS_TO_DOUBLE = 600, 50, 20
FACTOR = POINTS_TO_DOUBLE / math.log(2)
OFFSET = BASE_POINTS - FACTOR * math.log(BASE_ODDS)
PERFORMANCE_DAYS, BAD_DPD = 90, 30
BINS, SMOOTHING, LEAST_INFORMATION, SEED = 5, 1.0, 0.02, 20260302
HOLDOUT_SHARE = 0.25
LEAST_OF_EACH_CLASS = 10
REASONS = 3
MODEL_PURPOSE = "MODEL_DEV"
SCORES = "scores"
NUMERIC = ("bigint", "double", "decimal")

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Model = Mapping[str, Any]

log = logging.getLogger(__name__)


class ScorecardNotTrainable(RuntimeError):
    """There are too few matured loans, or too few good or bad ones, to train on."""


class ModelMissing(LookupError):
    """The published features are of a definition for which no model exists nor can be trained."""


@dataclass(frozen=True)
class ScoringReport:
    """What one scoring run wrote."""

    batch_date: date
    path: Path
    customers: int
    excluded: Mapping[str, int]
    model_version: str
    feature_version: str
    warehouse_version: str
    trained: bool

    def __str__(self) -> str:
        return f"{self.customers:,} scored with {self.model_version}"


def label_loans(cutoff: date, settings: Settings) -> pl.DataFrame:
    """A row for each matured loan: customer_id, as_of (= applied_at), loan_id, label; by as_of, then loan.

    Matured: 90 days after funding have passed at `scoring_as_of(cutoff)`. Applications are as known then.
    """
    warehouse = open_published("warehouse", settings)
    moment = pl.lit(scoring_as_of(cutoff)).dt.convert_time_zone(ZONE)
    applications = (
        in_business_zone(warehouse.scan("fct_applications_history"), "fct_applications_history")
        .filter(pl.col("_known_at") <= moment)
        .filter(pl.col("_superseded_at").is_null() | (moment < pl.col("_superseded_at")))
        .select("application_id", "applied_at")
    )
    end = (pl.col("funded_at").dt.date() + timedelta(days=PERFORMANCE_DAYS)).alias("end")
    loans = (
        in_business_zone(warehouse.scan("fct_loans"), "fct_loans")
        .filter(~pl.col("is_reversed").fill_null(False))
        .filter(pl.col("funded_at") + timedelta(days=PERFORMANCE_DAYS) <= moment)
        .select("loan_id", "application_id", "customer_id", end)
        .join(applications, on="application_id", how="inner")
    )
    reached = pl.col("due_date") + timedelta(days=BAD_DPD)
    cleared = pl.col("cleared_date_before_compensation")
    bad = (
        warehouse.scan("fct_instalments")
        .select("loan_id", "due_date", "cleared_date_before_compensation")
        .join(loans.select("loan_id", "end"), on="loan_id", how="inner")
        .filter((reached <= pl.col("end")) & (cleared.is_null() | (cleared >= reached)))
        .select("loan_id", pl.lit(1, dtype=pl.Int64).alias("label"))
        .unique()
    )
    labelled = loans.join(bad, on="loan_id", how="left").select(
        "customer_id", pl.col("applied_at").alias("as_of"), "loan_id", pl.col("label").fill_null(0)
    )
    return labelled.collect().sort("as_of", "loan_id")


def train(cutoff: date, settings: Settings | None = None) -> Model:
    """Train, save and return the model of a cut-off date; the same inputs give the same file.

    The newest quarter of the applications is held out; its AUC and KS are the model card's.

    Raises: ScorecardNotTrainable.
    """
    settings = settings or load_settings()
    scoring_views = select_views(settings, None, SCORING_PURPOSE)
    views = tuple(view for view in scoring_views if serves(view, MODEL_PURPOSE))
    features = usable_features(views)
    labelled = label_loans(cutoff, settings)
    rows = training_frame(labelled, [view.view for view in views], MODEL_PURPOSE, settings)
    label = rows["label"].to_numpy().astype(np.int64)
    split = rows.height - int(rows.height * HOLDOUT_SHARE)
    fitted, held = label[:split], label[split:]
    least = min(int(fitted.sum()), int((1 - fitted).sum())) if len(fitted) else 0
    if least < LEAST_OF_EACH_CLASS:
        raise ScorecardNotTrainable(
            f"At {cutoff} {rows.height} consenting, matured loans are there to learn from, and the "
            f"smaller class has {least} of the {LEAST_OF_EACH_CLASS} it needs; choose a later cut-off or "
            "deliver more history."
        )
    binned = [_bin(rows[feature.name].head(split), fitted, feature) for feature in features]
    binned = _informative(binned)
    chosen, coefficients, intercept = _fit(rows.head(split), fitted, binned)
    content: dict[str, Any] = {
        "feature_version": combined_version(scoring_views),
        "views": {view.view: view.feature_version for view in views},
        "warehouse_version": open_published("warehouse", settings).version,
        "trained_on": cutoff.isoformat(),
        "purpose": MODEL_PURPOSE,
        "label": f"dpd_ever_before_compensation >= {BAD_DPD} within {PERFORMANCE_DAYS} days of funding",
        "scale": {"points": BASE_POINTS, "odds": BASE_ODDS, "points_to_double_the_odds": POINTS_TO_DOUBLE},
        "intercept": intercept,
        "base_points": round(OFFSET - FACTOR * intercept),
        "features": [_card(one, beta) for one, beta in zip(chosen, coefficients, strict=True)],
    }
    probability = apply(content, rows)[1]
    content["metrics"] = {
        "training": _metrics(fitted, probability[:split]),
        "holdout": _metrics(held, probability[split:]),
        "matured_loans": labelled.height,
        "excluded_by_consent": labelled.height - rows.height,
    }
    text = json.dumps(content, sort_keys=True, ensure_ascii=False)
    model = {"model_version": f"scorecard-{hashlib.sha256(text.encode()).hexdigest()[:12]}", **content}
    path = _models(settings) / f"{model['model_version']}.json"
    with replace_atomically(path) as draft:
        draft.write_text(json.dumps(model, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    log.info("trained %s: %s", model["model_version"], model["metrics"])
    return model


def score(batch_date: date, settings: Settings | None = None, overrides_as_of: date | None = None) -> ScoringReport:
    """Score the gated scoring frame of a date, and publish the set `scores` through a gate of its own.

    A row for each customer of the scoring frame, sorted by customer. Trains only when no model of the
    features' version was trained by the date. Atomic and idempotent. An override of the gate counts on the day
    `overrides_as_of`, by default the business date.

    Raises: as `scoring_frame` and `train`; ModelMissing when the views have changed since the features were
    built; PublicationRefused by the gate.
    """
    settings = settings or load_settings()
    published = open_features(batch_date, settings)
    lineage = published.scan("feature_versions").collect()
    feature_version = str(lineage["set_feature_version"][0])
    warehouse_version = str(lineage["source_version"][0])
    model = _newest_model(feature_version, batch_date, settings)
    trained = model is None
    if model is None:
        declared = combined_version(select_views(settings, None, SCORING_PURPOSE))
        if declared != feature_version:
            raise ModelMissing(
                f"The features of {batch_date} are of version {feature_version}, the declared views of "
                f"{declared}; run `python -m features build --date {batch_date}` first."
            )
        model = train(batch_date, settings)
    frame = scoring_frame(batch_date, settings, published.version)
    points, probability, reasons = apply(model, frame)
    scores = frame.select("customer_id").with_columns(
        pl.Series("score", points, dtype=pl.Int64),
        pl.Series("probability_of_default", probability, dtype=pl.Float64),
        *(pl.Series(f"reason_{n + 1}", reasons[n], dtype=pl.String) for n in range(REASONS)),
        pl.lit(model["model_version"]).alias("model_version"),
        pl.lit(feature_version).alias("feature_version"),
        pl.lit(warehouse_version).alias("warehouse_version"),
        frame["as_of"],
    )
    done = _publish(scores, published, settings, overrides_as_of)
    counted = published.scan("exclusions").collect()
    excluded = {str(row["reason"]): int(row["rows"]) for row in counted.iter_rows(named=True)}
    report_event("customers_scored", batch_date=batch_date, rows=scores.height, version=str(model["model_version"]))
    return ScoringReport(
        batch_date,
        done.path / SCORES / "part-00.parquet",
        scores.height,
        excluded,
        str(model["model_version"]),
        feature_version,
        warehouse_version,
        trained,
    )


def _publish(
    scores: pl.DataFrame, features: Published, settings: Settings, overrides_as_of: date | None
) -> Publication:
    """Audit scores beside the features they come from, then publish them."""
    rows: dict[str, Rows] = {
        SCORES: scores.to_arrow(),
        SCORING_TABLE: ParquetFiles(tuple(features.list_bucket_paths(SCORING_TABLE))),
    }
    return audit_and_publish(SCORES, features.batch_date, settings, rows=rows, as_of=overrides_as_of)


def usable_features(views: Sequence[View]) -> tuple[Feature, ...]:
    """Numeric features that both model development and scoring may use."""
    return tuple(
        feature
        for view in views
        for feature in view.shown(SCORING_PURPOSE)
        if MODEL_PURPOSE not in feature.prohibited_for and feature.type.startswith(NUMERIC)
    )


def apply(model: Model, frame: pl.DataFrame) -> tuple[Ints, Floats, list[list[str | None]]]:
    """Points, probability of default, and for each rank the reason: the feature that lost most points."""
    points = np.full(frame.height, int(model["base_points"]), dtype=np.int64)
    logit = np.full(frame.height, float(model["intercept"]))
    lost = np.zeros((frame.height, len(model["features"])), dtype=np.int64)
    for column, card in enumerate(model["features"]):
        number = _bin_numbers(frame[card["name"]], card["upper_bounds"])
        awarded = np.array(card["points"], dtype=np.int64)
        points += awarded[number]
        logit += card["coefficient"] * np.array(card["weights_of_evidence"])[number]
        lost[:, column] = awarded.max() - awarded[number]
    texts = np.array([f"{card['name']} {card['title']}" for card in model["features"]] + [None], dtype=object)
    order = np.argsort(-lost, axis=1, kind="stable")
    reasons: list[list[str | None]] = []
    for rank in range(REASONS):
        if rank >= lost.shape[1]:
            reasons.append([None] * frame.height)
            continue
        which = order[:, rank]
        felt = lost[np.arange(frame.height), which] > 0
        reasons.append(texts[np.where(felt, which, -1)].tolist())
    return points, 1 / (1 + np.exp(-logit)), reasons


@dataclass(frozen=True)
class _Binned:
    """One feature cut into intervals (lower, upper]; the last bin is for null."""

    feature: Feature
    upper_bounds: tuple[float, ...]
    weights: tuple[float, ...]
    information: float


def _numbers(series: pl.Series) -> Floats:
    return series.cast(pl.Float64).fill_null(np.nan).to_numpy()


def _bin_numbers(series: pl.Series, upper_bounds: Sequence[float]) -> Ints:
    values = _numbers(series)
    number = np.searchsorted(np.array(upper_bounds, dtype=np.float64), values, side="left")
    return np.where(np.isnan(values), len(upper_bounds) + 1, number).astype(np.int64)


def _bin(series: pl.Series, label: Ints, feature: Feature) -> _Binned:
    """Cut at quantiles of the training values; a bin's weight is ln(share of goods / share of bads), smoothed."""
    values = _numbers(series)
    present = values[~np.isnan(values)]
    bounds: tuple[float, ...] = ()
    if len(present):
        cuts = np.quantile(present, np.arange(1, BINS) / BINS, method="inverted_cdf")
        bounds = tuple(float(cut) for cut in np.unique(cuts) if cut < present.max())
    number = _bin_numbers(series, bounds)
    bad = np.bincount(number, weights=label, minlength=len(bounds) + 2)
    good = np.bincount(number, weights=1 - label, minlength=len(bounds) + 2)
    bad_share, good_share = bad.sum() / len(label), good.sum() / len(label)
    bad, good = bad + SMOOTHING * bad_share, good + SMOOTHING * good_share
    shares = good / good.sum(), bad / bad.sum()
    weights = np.log(shares[0] / shares[1])
    information = float(((shares[0] - shares[1]) * weights).sum())
    return _Binned(feature, bounds, tuple(round(float(w), 12) for w in weights), information)


def _informative(binned: Sequence[_Binned]) -> list[_Binned]:
    kept = [one for one in binned if one.information >= LEAST_INFORMATION]
    return kept or [max(binned, key=lambda one: one.information)]


def _fit(rows: pl.DataFrame, label: Ints, binned: list[_Binned]) -> tuple[list[_Binned], list[float], float]:
    """Fit, leaving out features whose coefficient contradicts their own bins, the worst first."""
    from sklearn.linear_model import LogisticRegression

    while True:
        inputs = np.column_stack(
            [np.array(one.weights)[_bin_numbers(rows[one.feature.name], one.upper_bounds)] for one in binned]
        )
        fitted = LogisticRegression(C=1.0, random_state=SEED, max_iter=1000, tol=1e-8).fit(inputs, label)
        coefficients = [round(float(beta), 9) for beta in fitted.coef_[0]]
        if len(binned) == 1 or max(coefficients) <= 0:
            return binned, coefficients, round(float(fitted.intercept_[0]), 9)
        worst = coefficients.index(max(coefficients))
        binned = [one for n, one in enumerate(binned) if n != worst]


def _card(one: _Binned, coefficient: float) -> dict[str, Any]:
    return {
        "name": one.feature.name,
        "title": one.feature.title,
        "upper_bounds": list(one.upper_bounds),
        "weights_of_evidence": list(one.weights),
        "points": [round(-FACTOR * coefficient * weight) for weight in one.weights],
        "coefficient": coefficient,
        "information_value": round(one.information, 6),
    }


def _metrics(label: Ints, probability: Floats) -> dict[str, Any]:
    """Counts, AUC and KS; the last two null when a class is absent."""
    from sklearn.metrics import roc_auc_score, roc_curve

    known: dict[str, Any] = {"rows": len(label), "bad": int(label.sum()), "auc": None, "ks": None}
    if 0 < known["bad"] < known["rows"]:
        known["auc"] = round(float(roc_auc_score(label, probability)), 6)
        false, true, _ = roc_curve(label, probability)
        known["ks"] = round(float((true - false).max()), 6)
    return known


def _models(settings: Settings) -> Path:
    return settings.published / "models"


def _newest_model(feature_version: str, batch_date: date, settings: Settings) -> Model | None:
    """The model of the features' version trained last by the date; one trained later has seen the future."""
    found = [_read_model(path) for path in sorted(_models(settings).glob("*.json"))]
    timely = [
        model
        for model in found
        if model["feature_version"] == feature_version and model["trained_on"] <= batch_date.isoformat()
    ]
    return max(timely, key=lambda model: (model["trained_on"], model["model_version"]), default=None)


def _read_model(path: Path) -> Model:
    try:
        model: Model = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        raise ModelMissing(f"{path} is no model file any more; remove it, and train again.") from None
    return model
