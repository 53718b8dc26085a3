"""The lake (数据湖): how landed rows are laid out, what dbt sees of them, how two deliveries compare."""

from ingestion.lake.comparison import compare_versions
from ingestion.lake.dbt_sources import render_sources
from ingestion.lake.layout import choose_parquet_options, derive_lake_schema, open_connection
from ingestion.lake.manifest import write_manifest
from ingestion.lake.run import Run, write_run

__all__ = [
    "Run",
    "choose_parquet_options",
    "compare_versions",
    "derive_lake_schema",
    "open_connection",
    "render_sources",
    "write_manifest",
    "write_run",
]
