"""Names of the sets and tables that features are read from and published as."""

from __future__ import annotations

CONSENTS = "fct_consents_history"
FEATURE_SET = "features"
SCORING_TABLE = "scoring"
SCORES = "scores"
FRAME = "frame"
"""The wide table of a set of training rows, as `SCORING_TABLE` is of the feature set."""

LINEAGE = "feature_versions"
EXCLUSIONS = "exclusions"
ASKED = "asked"
"""Who was asked for: audited beside the feature tables, and not published."""

CONSENT_SOURCE = "consents"
"""The consents of the published warehouse, as the audit of a feature set sees them."""

PUBLISHING = {
    "warehouse": "python -m quality publish",
    FEATURE_SET: "python -m features build",
    SCORES: "python -m features score",
}
"""The command that publishes a set, but for the date; any other set has `python -m quality publish --set`."""
