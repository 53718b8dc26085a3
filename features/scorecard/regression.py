"""The logistic regression on weights of evidence, and how well it separates good from bad."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from features.arrays import Floats, Ints
from features.scorecard.bins import Binned, number_bins

SEED = 20260302


def fit_regression(rows: pl.DataFrame, label: Ints, binned: list[Binned]) -> tuple[list[Binned], list[float], float]:
    """Fit, leaving out features whose coefficient contradicts their own bins, the worst first."""
    from sklearn.linear_model import LogisticRegression

    while True:
        inputs = np.column_stack(
            [np.array(one.weights)[number_bins(rows[one.feature.name], one.upper_bounds)] for one in binned]
        )
        fitted = LogisticRegression(C=1.0, random_state=SEED, max_iter=1000, tol=1e-8).fit(inputs, label)
        coefficients = [round(float(beta), 9) for beta in fitted.coef_[0]]
        if len(binned) == 1 or max(coefficients) <= 0:
            return binned, coefficients, round(float(fitted.intercept_[0]), 9)
        worst = coefficients.index(max(coefficients))
        binned = [one for n, one in enumerate(binned) if n != worst]


def measure_separation(label: Ints, probability: Floats) -> dict[str, Any]:
    """Counts, AUC and KS; the last two null when a class is absent."""
    from sklearn.metrics import roc_auc_score, roc_curve

    known: dict[str, Any] = {"rows": len(label), "bad": int(label.sum()), "auc": None, "ks": None}
    if 0 < known["bad"] < known["rows"]:
        known["auc"] = round(float(roc_auc_score(label, probability)), 6)
        false, true, _ = roc_curve(label, probability)
        known["ks"] = round(float((true - false).max()), 6)
    return known
