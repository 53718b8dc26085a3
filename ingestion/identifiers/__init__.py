"""What an identifier (个人标识) is: kinds, canonical and masked forms, and data that is refused at the door."""

from ingestion.identifiers.kinds import (
    FORMS,
    HASHED,
    KINDS,
    birth_date_sql,
    canonical_sql,
    masked_form_sql,
    masked_sql,
    well_formed_sql,
)

__all__ = [
    "FORMS",
    "HASHED",
    "KINDS",
    "birth_date_sql",
    "canonical_sql",
    "masked_form_sql",
    "masked_sql",
    "well_formed_sql",
]
