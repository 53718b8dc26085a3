"""The same wide file loaded by dlt into DuckDB; runs in an environment of its own (`dlt-requirements.txt`).

`python dlt_load.py MODE FILE FOLDER`: `arrow` hands over Arrow batches of texts, without types and checks, and lines
that do not split are skipped; `rows` lets dlt's own `read_csv` make a dictionary of every row. Both load through
Parquet files, which costs less than the INSERT statements that dlt writes by default. Prints the rows loaded.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROWS_AT_ONCE = 50_000


def load(mode: str, file: Path, folder: Path) -> int:
    """Load one file into a new DuckDB file below `folder`; returns the rows that are in it."""
    os.environ |= {"RUNTIME__DLTHUB_TELEMETRY": "false", "DLT_DATA_DIR": str(folder / "dlt")}
    import dlt
    import duckdb

    target = folder / "loaded.duckdb"
    pipeline = dlt.pipeline(
        "wide",
        pipelines_dir=str(folder / "pipelines"),
        destination=dlt.destinations.duckdb(str(target)),
        dataset_name="wide",
    )
    pipeline.run(_arrow(dlt, file) if mode == "arrow" else _rows(file), loader_file_format="parquet")
    with duckdb.connect(str(target), read_only=True) as connection:
        return int(connection.execute("select count(*) from wide.rows").fetchall()[0][0])


def _arrow(dlt: Any, file: Path) -> Any:
    import pyarrow as pa
    from pyarrow import csv

    @dlt.resource(name="rows")
    def batches() -> Iterator[Any]:
        with file.open(encoding="utf-8") as handle:
            names = handle.readline().strip().split(",")
        yield from csv.open_csv(
            file,
            parse_options=csv.ParseOptions(quote_char=False, invalid_row_handler=lambda _: "skip"),
            convert_options=csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string())),
        )

    return batches


def _rows(file: Path) -> Any:
    from dlt.sources.filesystem import filesystem, read_csv

    files = filesystem(bucket_url=file.parent.as_uri(), file_glob=file.name)
    options = {"dtype": str, "keep_default_na": False, "on_bad_lines": "skip"}
    return (files | read_csv(chunksize=ROWS_AT_ONCE, **options)).with_name("rows")


if __name__ == "__main__":
    print(load(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])))
