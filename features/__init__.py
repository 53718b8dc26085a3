"""Declared, point-in-time-correct features (特征): what scoring sees, and exactly that for training.

features.training_frame(spine, views)     the permitted rows of a spine with features as of each row's instant
features.scoring_frame(batch_date)        the published, gated scoring table
features.exclusions(spine, purpose)       who consent leaves out, and why
features.permitted(spine, purpose, ...)   the consent question by itself
features.load_views(folder)               the declarations
"""

from features.consent import permitted
from features.registry import load_views
from features.store import exclusions, scoring_frame, training_frame

__all__ = ["exclusions", "load_views", "permitted", "scoring_frame", "training_frame"]
