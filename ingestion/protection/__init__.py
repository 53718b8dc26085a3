"""Protection (脱敏): keys, the tokens that stand in for identifiers, their equivalents, and sealed text."""

from ingestion.protection.keys import Keys, KeyUnusable, add_key, load_keys
from ingestion.protection.tokens import output_types, outputs_sql, register_functions

__all__ = [
    "KeyUnusable",
    "Keys",
    "add_key",
    "load_keys",
    "output_types",
    "outputs_sql",
    "register_functions",
]
