"""The scaffold (契约草稿): from a sample file to a draft contract and a draft staging model, for a person to correct.

Nothing here is sure: what a person must confirm carries `check:` with its evidence, in counts and never in values
that could identify anybody.
"""

from ingestion.scaffold.hints import Hints
from ingestion.scaffold.remodelling import write_model
from ingestion.scaffold.sketch import draft_contract
from ingestion.scaffold.table import SampleUnusable

__all__ = ["Hints", "SampleUnusable", "draft_contract", "write_model"]
