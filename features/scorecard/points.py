"""Points and their reasons (评分与原因): how a model becomes a card, and what it awards.

Scale: 600 points at odds of 50 good to 1 bad, 20 points double the odds. A score is the sum of whole points, so the
reasons add up to it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from features.arrays import Floats, Ints
from features.scorecard.bins import Binned, number_bins

BASE_POINTS, BASE_ODDS, POINTS_TO_DOUBLE = 600, 50, 20
FACTOR = POINTS_TO_DOUBLE / math.log(2)
OFFSET = BASE_POINTS - FACTOR * math.log(BASE_ODDS)
REASONS = 3

Model = Mapping[str, Any]
"""The content of a model file: what was learned, from what, and how well it separates."""


def make_card(one: Binned, coefficient: float) -> dict[str, Any]:
    """What a model file says of one feature: its bins and the points of each."""
    return {
        "name": one.feature.name,
        "title": one.feature.title,
        "upper_bounds": list(one.upper_bounds),
        "weights_of_evidence": list(one.weights),
        "points": [round(-FACTOR * coefficient * weight) for weight in one.weights],
        "coefficient": coefficient,
        "information_value": round(one.information, 6),
    }


def apply(model: Model, frame: pl.DataFrame) -> tuple[Ints, Floats, list[list[str | None]]]:
    """Points, probability of default, and for each rank the reason: the feature that lost most points."""
    points = np.full(frame.height, int(model["base_points"]), dtype=np.int64)
    logit = np.full(frame.height, float(model["intercept"]))
    lost = np.zeros((frame.height, len(model["features"])), dtype=np.int64)
    for column, card in enumerate(model["features"]):
        number = number_bins(frame[card["name"]], card["upper_bounds"])
        awarded = np.array(card["points"], dtype=np.int64)
        points += awarded[number]
        logit += card["coefficient"] * np.array(card["weights_of_evidence"])[number]
        lost[:, column] = awarded.max() - awarded[number]
    return points, 1 / (1 + np.exp(-logit)), _name_reasons(model, lost)


def _name_reasons(model: Model, lost: Ints) -> list[list[str | None]]:
    """For each rank and row the feature that lost most points, None where none lost any."""
    texts = np.array([f"{card['name']} {card['title']}" for card in model["features"]] + [None], dtype=object)
    order = np.argsort(-lost, axis=1, kind="stable")
    reasons: list[list[str | None]] = []
    for rank in range(REASONS):
        if rank >= lost.shape[1]:
            reasons.append([None] * len(lost))
            continue
        which = order[:, rank]
        felt = lost[np.arange(len(lost)), which] > 0
        reasons.append(texts[np.where(felt, which, -1)].tolist())
    return reasons
