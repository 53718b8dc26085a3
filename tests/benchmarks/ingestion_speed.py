"""Landing a wide file under a contract, beside bare readers of the same file and beside dlt.

Ours is `python -m ingestion land`, everything included: start of the interpreter, survey of the lines, types, 15 row
rules, tokens of three identifier columns with their equivalents, the vault's deposits, quarantine, ledger, manifest.

- `ingest_utf8_vs_bare`, `ingest_gb18030_vs_bare`: DuckDB's typed `read_csv` of the UTF-8 file with `store_rejects`,
  copied to Parquet with zstd at DuckDB's default level, on as many threads as ours may use. The lake is written at
  level 1, at which the other side costs a little less: see `detail.level_1`.
- `ingest_vs_dlt_arrow`, `ingest_vs_dlt_rows`: dlt into DuckDB, see `dlt_load.py`; the latter on a tenth of the rows.
- `ingest_excel_vs_fastexcel`: fastexcel reading all cells of the workbook as text into Arrow, and nothing else.

Ratios are of CPU seconds. `BENCH_INGEST_ROWS` (5,000,000) and `BENCH_EXCEL_ROWS` (100,000) set the sizes. Both sides
count what they kept, and a count that does not follow from the file's known defects ends the benchmark.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.benchmarks.measuring import Cost, Record, measure
from tests.benchmarks.wide_table import SOURCE, TYPES, Defects, write_contract

NAMES = (
    *("ingest_utf8_vs_bare", "ingest_gb18030_vs_bare", "ingest_excel_vs_fastexcel"),
    *("ingest_vs_dlt_arrow", "ingest_vs_dlt_rows"),
)
ROWS, EXCEL_ROWS = 5_000_000, 100_000
DAY = "2026-03-02"
HERE = Path(__file__).parent
LIBRARIES = "ingestion.commands, ingestion.landing, ingestion.vault, fastexcel, pyarrow.parquet"


class CountsDiffer(Exception):
    """A side did not keep the rows that it should have; the message names side, found and expected."""


def run(
    home: Path, names: Sequence[str] = NAMES, rows: int | None = None, excel_rows: int | None = None
) -> list[Record]:
    """Write the files unless that was done before, run the sides in processes of their own, and report by name.

    Raises:
        SideFailed: a side ended with an error.
        CountsDiffer: a side lost or kept what it should not have.
    """
    rows = rows or int(os.environ.get("BENCH_INGEST_ROWS", ROWS))
    excel_rows = excel_rows or int(os.environ.get("BENCH_EXCEL_ROWS", EXCEL_ROWS))
    place = home / f"ingestion-{rows}"
    _prepare(place)
    records = []
    for name in names:
        match name.removeprefix("ingest_"):
            case "utf8_vs_bare":
                records.append(_beside_bare(name, place, "csv", rows))
            case "gb18030_vs_bare":
                records.append(_beside_bare(name, place, "gb18030", rows))
            case "excel_vs_fastexcel":
                records.append(_beside_fastexcel(name, place, excel_rows))
            case dlt:
                records.append(_beside_dlt(name, home, place, rows, dlt.removeprefix("vs_dlt_")))
    return records


def _prepare(place: Path) -> None:
    """Bytecode of what our side imports is made beforehand, as an installed system has it."""
    place.mkdir(parents=True, exist_ok=True)
    measure([sys.executable, "-c", f"import {LIBRARIES}"], _environment(place), place / "logs" / "compile.log")


def _beside_bare(name: str, place: Path, form: str, rows: int) -> Record:
    file = _deliver(place, "csv", rows)
    level_1, default = _bare(place, file, rows, 1), _bare(place, file, rows, 3)
    size = _deliver(place, form, rows).stat().st_size
    detail = {"rows": rows, "columns": len(TYPES), "bytes": size, "level_1": level_1.to_json()}
    return _compare(name, _land(place, form, rows, with_defects=True), default, detail)


def _beside_fastexcel(name: str, place: Path, rows: int) -> Record:
    file = _deliver(place, "xlsx", rows)
    log = place / "logs" / "fastexcel.log"
    other = measure(_side("fastexcel", file), _environment(place), log)
    _describe_error("fastexcel", other)
    _expect("fastexcel", _last_line(log), rows)
    return _compare(name, _land(place, "xlsx", rows, with_defects=False), other, {"rows": rows})


def _beside_dlt(name: str, home: Path, place: Path, rows: int, mode: str) -> Record:
    python, count = _install_dlt(home), rows if mode == "arrow" else max(rows // 10, 60)
    short = Defects(count).lines // 2 if mode == "rows" else 0  # it fills lines that end too early, without a word
    file, folder = _deliver(place, "csv", count).resolve(), place / "dlt"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    log = place / "logs" / f"dlt-{mode}.log"
    other = measure([python, HERE / "dlt_load.py", mode, file, folder], {"DO_NOT_TRACK": "1"}, log)
    shutil.rmtree(folder)
    _describe_error(f"dlt, {mode}", other)
    _expect(f"dlt, {mode}", _last_line(log), count + short)
    return _compare(name, _land(place, "csv", count, with_defects=True), other, {"rows": count})


def _install_dlt(home: Path) -> Path:
    """An environment for dlt alone, made once; the package index is whatever pip is configured to use."""
    wanted, folder = HERE / "dlt-requirements.txt", home / "dlt-venv"
    held = folder / wanted.name
    python = folder / "bin" / "python"
    if not (held.exists() and held.read_bytes() == wanted.read_bytes()):
        logs = home / "logs"
        measure([sys.executable, "-m", "venv", "--clear", folder], {}, logs / "dlt-venv.log")
        measure([python, "-m", "pip", "install", "--quiet", "--requirement", wanted], {}, logs / "dlt-install.log")
        shutil.copyfile(wanted, held)
    measure([python, "-c", "import dlt, duckdb, pandas, pyarrow"], {}, home / "logs" / "dlt-compile.log")
    return python


def _deliver(place: Path, form: str, rows: int) -> Path:
    """The wide file in one form, written once in a process of its own; and read, so that no side meets a cold disk."""
    file = place / "files" / f"wide-{rows}.{form}"
    if not file.exists():
        file.parent.mkdir(exist_ok=True)
        command = [sys.executable, "-m", "tests.benchmarks.wide_table", form, str(file), str(rows)]
        _describe_error(f"writing {file.name}", measure(command, _environment(place), place / "logs" / "deliver.log"))
    with file.open("rb") as handle:
        hashlib.file_digest(handle, "sha256")
    return file


def _land(place: Path, form: str, rows: int, with_defects: bool) -> Cost:
    """Land one form as the only delivery of a new home; the lake and all else is removed afterwards."""
    home = place / f"home-{form}"
    shutil.rmtree(home, ignore_errors=True)
    folder = home / "landing" / SOURCE / DAY.replace("-", "")
    folder.mkdir(parents=True)
    os.link(_deliver(place, form, rows), folder / f"WIDE_{DAY.replace('-', '')}.{form}")
    write_contract(home / "tenant", form)
    environment = {**_environment(place), "PLATFORM_HOME": str(home), "PLATFORM_TENANT": str(home / "tenant")}
    command = [sys.executable, "-m", "ingestion", "land", "--date", DAY]
    cost = measure(command, environment, place / "logs" / f"land-{form}.log")
    _describe_error(f"landing {rows:,} rows, {form}", cost)
    defects = Defects(rows)
    broken = [defects.violations, defects.cells + defects.lines] if with_defects else [defects.violations]
    landed = rows - sum(broken) + (defects.lines if with_defects else 0)
    _expect(f"landing {form}", _counts(home), [landed + sum(broken), landed, sum(broken)])
    shutil.rmtree(home)
    return cost


def _counts(home: Path) -> list[int]:
    """Rows in, landed and quarantined, as the manifest says; rows landed are counted in the lake once more."""
    import duckdb

    with duckdb.connect() as connection:
        manifest = f"select rows_in, rows_landed, rows_quarantined from read_parquet('{home}/lake/deliveries.parquet')"
        (reported,) = connection.execute(manifest).fetchall()
        files = f"read_parquet('{home}/lake/{SOURCE}/rows/*/*/*.parquet', union_by_name = true)"
        ((found,),) = connection.execute(f"select count(*) from {files}").fetchall()
    _expect("manifest", reported[1], found)
    return list(reported)


def _bare(place: Path, file: Path, rows: int, level: int) -> Cost:
    log = place / "logs" / f"bare-{level}.log"
    target = place / "bare.parquet"
    cost = measure(_side("bare", file, target, level), _environment(place), log)
    target.unlink()
    _describe_error(f"bare read_csv, zstd level {level}", cost)
    defects = Defects(rows)
    _expect("bare read_csv", json.loads(_last_line(log)), [rows - defects.cells, defects.cells + defects.lines])
    return cost


def _compare(name: str, ours: Cost, other: Cost, detail: Mapping[str, Any]) -> Record:
    reported = {**detail, "wall_s": ours.wall_s, "other_wall_s": other.wall_s, "load_average": os.getloadavg()[0]}
    return Record(name, ours.cpu_s, other.cpu_s, "cpu_s", ours.peak_rss_mb, other.peak_rss_mb, reported)


def _expect(side: str, found: object, expected: object) -> None:
    if str(found) != str(expected):
        raise CountsDiffer(f"{side}: {found} rows, but the file's defects make it {expected}")


def _environment(place: Path) -> dict[str, str]:
    values = {"PLATFORM_THREADS": os.environ.get("PLATFORM_THREADS", str(os.cpu_count() or 2))}
    if sys.dont_write_bytecode:
        values |= {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(place.parent / "bytecode")}
    return values


def _side(name: str, *arguments: object) -> list[str]:
    return [sys.executable, "-m", "tests.benchmarks.ingestion_speed", name, *(str(value) for value in arguments)]


def _last_line(log: Path) -> str:
    return log.read_text(encoding="utf-8").strip().splitlines()[-1]


def _describe_error(what: str, cost: Cost) -> None:
    print(f"{what:36} {cost}", file=sys.stderr, flush=True)


def read_bare(file: str, target: str, level: int) -> list[int]:
    """DuckDB alone: types, rejected lines, Parquet; returns rows written and lines rejected."""
    import duckdb

    kinds = {name: "TIMESTAMP" if kind == "TIMESTAMPTZ" else kind for name, kind in TYPES.items()}
    columns = ", ".join(f"'{name}': '{kind}'" for name, kind in kinds.items())
    threads = int(os.environ["PLATFORM_THREADS"])
    with duckdb.connect(config={"threads": threads}) as connection:
        connection.execute("set enable_progress_bar = false").fetchall()
        ((written,),) = connection.execute(
            f"copy (from read_csv('{file}', columns = {{{columns}}}, header = true, auto_detect = false, delim = ',',"
            f" quote = '', escape = '', store_rejects = true, rejects_limit = 0))"
            f" to '{target}' (format parquet, compression zstd, compression_level {level})"
        ).fetchall()
        lines = "select count(distinct line_byte_position) from reject_errors"
        ((rejected,),) = connection.execute(lines).fetchall()
    return [int(written), int(rejected)]


def read_workbook(file: str) -> int:
    """Fastexcel alone: every cell as text into Arrow; returns the rows."""
    import fastexcel

    return int(fastexcel.read_excel(file).load_sheet(0, dtypes="string").to_arrow().num_rows)


def main(arguments: Sequence[str]) -> None:
    """`bare FILE TARGET LEVEL` or `fastexcel FILE`: what the measured child processes run."""
    match arguments:
        case ["bare", file, target, level]:
            print(json.dumps(read_bare(file, target, int(level))))
        case ["fastexcel", file]:
            print(read_workbook(file))
        case _:
            raise ValueError(arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
