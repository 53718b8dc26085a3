"""Models on disk (模型文件): immutable, named after their content, and never trained after the date they score."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from features.scorecard.points import Model
from ingestion.foundation import Settings
from ingestion.foundation.files import replace_atomically


class ModelMissing(LookupError):
    """The published features are of a definition for which no model exists nor can be trained."""


def save_model(content: Mapping[str, Any], settings: Settings) -> Model:
    """Write a model, and return it with its version: the hash of its content."""
    text = json.dumps(content, sort_keys=True, ensure_ascii=False)
    model = {"model_version": f"scorecard-{hashlib.sha256(text.encode()).hexdigest()[:12]}", **content}
    with replace_atomically(_find_folder(settings) / f"{model['model_version']}.json") as draft:
        draft.write_text(json.dumps(model, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return model


def find_newest_model(feature_version: str, batch_date: date, settings: Settings) -> Model | None:
    """The model of the features' version trained last by the date; one trained later has seen the future."""
    found = [_read_model(path) for path in sorted(_find_folder(settings).glob("*.json"))]
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


def _find_folder(settings: Settings) -> Path:
    return settings.published / "models"
