"""Protection (脱敏): keys, the tokens that replace identifiers, their equivalents, and sealed text."""

from ingestion.protection.keys import Keys, KeyUnusable, add_key, load_keys
from ingestion.protection.tokens import derive_output_types, outputs_sql, register_functions

__all__ = [
    "KeyUnusable",
    "Keys",
    "add_key",
    "derive_output_types",
    "load_keys",
    "outputs_sql",
    "register_functions",
]
