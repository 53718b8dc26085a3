"""Declared, point-in-time-correct features (特征): what scoring sees, and exactly that for training.

features.training_frame(spine, views)              the permitted rows of a spine, features as of each row's instant
features.scoring_frame(batch_date)                 the published, gated scoring table
features.list_exclusions(spine, purpose)           who consent leaves out, and why
features.split_by_consent(spine, purpose, ...)     the consent question by itself
features.load_views(folder)                        the declarations
"""

from features.consent import split_by_consent
from features.registry import load_views
from features.store import list_exclusions, scoring_frame, training_frame

__all__ = ["list_exclusions", "load_views", "scoring_frame", "split_by_consent", "training_frame"]
