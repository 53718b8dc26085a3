"""The lake (数据湖): how landed rows are laid out, what dbt sees of them, how two deliveries compare."""

from ingestion.lake.comparison import compare
from ingestion.lake.dbt_sources import render_sources
from ingestion.lake.layout import LINEAGE, connect, lake_schema, parquet_options
from ingestion.lake.manifest import write_manifest
from ingestion.lake.scan import find_clear

__all__ = [
    "LINEAGE",
    "compare",
    "connect",
    "find_clear",
    "lake_schema",
    "parquet_options",
    "render_sources",
    "write_manifest",
]
