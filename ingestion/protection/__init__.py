"""Protection (脱敏): tokens in place of identifiers, the rules of a row, equivalence tokens."""

from ingestion.protection.identifier_sets import judge_sets
from ingestion.protection.tokens import Keys, KeyUnusable, add_key, load_keys, output_types, register_functions
from ingestion.protection.typing_rules import row_rules

__all__ = [
    "KeyUnusable",
    "Keys",
    "add_key",
    "judge_sets",
    "load_keys",
    "output_types",
    "register_functions",
    "row_rules",
]
