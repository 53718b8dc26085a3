"""Names of the sets and tables that features are read from and published as."""

from __future__ import annotations

CONSENTS = "fct_consents_history"
FEATURE_SET = "features"
SCORING_TABLE = "scoring"
FRAME = "frame"
"""The wide table of a set of training rows, as `SCORING_TABLE` is of the feature set."""

LINEAGE = "feature_versions"
EXCLUSIONS = "exclusions"
ASKED = "asked"
"""Who was asked for: audited beside the feature tables, and not published."""

CONSENT_SOURCE = "consents"
"""The consents of the published warehouse, as the audit of a feature set sees them."""
