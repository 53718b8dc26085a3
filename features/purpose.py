"""What features may be used for (用途): every consumer names exactly one purpose."""

from __future__ import annotations

from typing import Literal, get_args

Purpose = Literal[
    "UNDERWRITE",
    "FRAUD",
    "LIMIT_MGMT",
    "SERVICING",
    "COLLECTION",
    "MARKETING",
    "MODEL_DEV",
    "REPORT_AGG",
    "REGULATORY",
    "BUREAU_REPORT",
    "BUREAU_QUERY",
    "PARTNER_SETTLEMENT",
    "JOINT_RISK",
    "DSR",
]
"""Purpose codes of DOMAIN 4.2."""

PURPOSES: tuple[str, ...] = get_args(Purpose)

SCORING_PURPOSE: Purpose = "LIMIT_MGMT"
MODEL_PURPOSE: Purpose = "MODEL_DEV"
