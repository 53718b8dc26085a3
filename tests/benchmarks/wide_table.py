"""A wide file as partners send repayments: 40 columns, 25 rows a person, and defects in known numbers.

The same rows as CSV in UTF-8 or GB18030 and as a workbook, and the contract that lands them. Every child process of
`ingestion_speed` that makes something is a call of this module: `python -m tests.benchmarks.wide_table FORM FILE ROWS`.
"""

from __future__ import annotations

import codecs
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import yaml

SOURCE = "bench_wide"
ROWS_A_PERSON = 25
WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
CODES = {"status_code": "SFPR", "loan_state": ("RP", "OD", "PF")}
PROTECTED = {"cert_no": "cert_no", "mobile": "mobile", "customer_name": "person_name"}
RULES = {
    "trace_id": {"pattern": "[0-9a-f]{16}"},
    "amount_00": {"minimum": 0},
    "amount_01": {"minimum": 0},
    "n_0": {"minimum": 0},
    "rate_0": {"minimum": 0, "maximum": 1},
}
TYPES = {
    **dict.fromkeys(("loan_no", *PROTECTED, *CODES, "channel_code", "product_code"), "VARCHAR"),
    **{f"amount_{number:02d}": "DECIMAL(18,2)" for number in range(12)},
    **{f"date_{number}": "DATE" for number in range(6)},
    **{f"ts_{number}": "TIMESTAMPTZ" for number in range(3)},
    **{f"n_{number}": "BIGINT" for number in range(5)},
    **{f"rate_{number}": "DECIMAL(9,6)" for number in range(2)},
    **dict.fromkeys(("remark", "trace_id", "bank_code", "address"), "VARCHAR"),
}
BAD_CELLS = {"date_0": "2026-02-30", "amount_02": "12.3.4", "ts_0": "2026-03-02 25:00:00", "n_1": "1O0"}
IS_ALLOWED = "status_code <> 'X' and amount_00 >= 0 and not ends_with(cert_no, '#')"
LOGICAL = {"VARCHAR": "string", "DATE": "date", "TIMESTAMPTZ": "timestamp", "BIGINT": "integer"}


@dataclass(frozen=True)
class Defects:
    """How many of the rows have a cell of no such type, break a rule, or (besides them) are no row at all."""

    rows: int

    @property
    def cells(self) -> int:
        return min(360, self.rows // 60)

    @property
    def lines(self) -> int:
        return min(100, self.rows // 60)

    @property
    def violations(self) -> int:
        return min(300, self.rows // 60)

    @property
    def step(self) -> int:
        return self.rows // self.cells

    def sql(self, residue: int, count: int) -> str:
        return f"(i % {self.step} = {residue} and i // {self.step} < {count})"


def rows_sql(rows: int, extra: int = 0) -> str:
    """SQL of typed rows (and `i`, their number), some of which break a rule; `extra` ones besides."""
    defects = Defects(rows)
    breaks = [f"({defects.sql(7, defects.violations)} and i // {defects.step} % 3 = {kind})" for kind in range(3)]
    check = " + ".join(
        f"cast(substr(born, {place}, 1) as integer) * {weight}" for place, weight in enumerate(WEIGHTS, 1)
    )
    values = {
        "loan_no": "'LN' || lpad(i::varchar, 12, '0')",
        "cert_no": f"born || case when {breaks[2]} then '#' else substr('10X98765432', ({check}) % 11 + 1, 1) end",
        "mobile": "'1' || (30 + p % 60)::varchar || lpad((p // 97 % 100000000)::varchar, 8, '0')",
        "customer_name": "'赵钱孙李周吴郑王冯陈'[1 + p % 10] || '伟芳娜敏静丽强磊军洋'[1 + p // 10 % 10]"
        " || '华明国文杰涛平刚㛃玉'[1 + p // 100 % 10]",
        "status_code": f"case when {breaks[0]} then 'X' else 'SFPR'[1 + h % 4] end",
        "loan_state": "['RP', 'OD', 'PF'][1 + h // 4 % 3]",
        "channel_code": "'CH' || lpad((h % 50)::varchar, 3, '0')",
        "product_code": "'P' || lpad((h // 50 % 20)::varchar, 2, '0')",
        **{
            f"amount_{number:02d}": f"cast((h // {7**number + 1} % 10000000) * 0.01 as decimal(18, 2))"
            for number in range(12)
        },
        **{f"date_{number}": f"date '2024-01-01' + (h // {11**number + 1} % 800)::integer" for number in range(6)},
        **{
            f"ts_{number}": f"timestamp '2025-01-01' + to_seconds((h // {13**number + 1} % 30000000)::bigint)"
            for number in range(3)
        },
        **{f"n_{number}": f"(h // {5**number + 1} % {10 ** (number + 2)})::bigint" for number in range(5)},
        **{f"rate_{number}": f"cast((h // {3**number} % 360000) * 0.000001 as decimal(9, 6))" for number in range(2)},
        "remark": "'备注' || (h % 1000)::varchar",
        "trace_id": "md5(i::varchar)[:16]",
        "bank_code": "'B' || (h % 9)::varchar",
        "address": "'建国路' || (h % 200)::varchar || '号'",
    }
    values["amount_00"] = f"case when {breaks[1]} then -1.00 else {values['amount_00']} end"
    values["amount_00"] = f"cast({values['amount_00']} as decimal(18, 2))"
    assert list(values) == list(TYPES)
    columns = ", ".join(f"{sql} as {name}" for name, sql in values.items())
    day = "lpad((1 + p // 64 % 12)::varchar, 2, '0') || lpad((1 + p // 1024 % 28)::varchar, 2, '0')"
    serial = "lpad((p // 65536 % 1000)::varchar, 3, '0')"
    person = f"(hash(i // {ROWS_A_PERSON} + 77) >> 1)::bigint as p"
    return f"""
        select i, {columns} from (
            select *, '110105' || (1960 + p % 40)::varchar || {day} || {serial} as born
            from (select i, (hash(i) >> 1)::bigint as h, {person} from range({rows + extra}) as t (i))
        )
    """


def write_csv(path: Path, rows: int) -> None:
    """All rows, those with bad cells, and besides them lines that end too early or too late; UTF-8."""
    defects = Defects(rows)
    cells = [f"{name}::varchar" for name in TYPES]
    for kind, (name, text) in enumerate(BAD_CELLS.items()):
        is_bad = f"{defects.sql(3, defects.cells)} and i // {defects.step} % {len(BAD_CELLS)} = {kind}"
        cells[list(TYPES).index(name)] = f"case when {is_bad} then '{text}' else {name}::varchar end"
    is_line = defects.sql(11, defects.lines)
    line = f"concat_ws(',', {', '.join(cells)})"
    broken = f"case i // {defects.step} % 2 when 0 then {line} || ',1' else left({line}, 40) end"
    with duckdb.connect() as connection:
        connection.execute(
            f'copy (select case when {is_line} then {broken} else {line} end as "{",".join(TYPES)}"'
            f" from ({rows_sql(rows, defects.lines)}))"
            f" to '{path}' (format csv, header true, delimiter '\x01', quote '', escape '')"
        ).fetchall()


def write_gb18030(path: Path, rows: int) -> None:
    """The CSV file (made first if it is not there) in GB18030."""
    source = path.with_name(f"wide-{rows}.csv")
    if not source.exists():
        write_csv(source, rows)
    decoder = codecs.getincrementaldecoder("utf-8")()
    with source.open("rb") as handle, path.open("wb") as sink:
        while piece := handle.read(1 << 20):
            sink.write(decoder.decode(piece).encode("gb18030"))


def write_workbook(path: Path, rows: int) -> None:
    """All rows on one sheet: numbers and dates are typed cells, moments are text."""
    import polars as pl

    with duckdb.connect() as connection:
        frame = pl.DataFrame(connection.sql(f"select * exclude (i) from ({rows_sql(rows)})").to_arrow_table())
    frame = frame.with_columns(pl.col("^(amount|rate)_.*$").cast(pl.Float64), pl.col("^ts_.*$").dt.to_string("%F %T"))
    with path.open("wb") as sink:
        frame.write_excel(sink, dtype_formats={pl.Float64: "0.00", pl.Int64: "0"})


def write_contract(tenant: Path, form: str) -> None:
    """A tenant of this one source: `csv`, `gb18030` or `xlsx`."""
    dialect: dict[str, Any] = {"reader": "excel"} if form == "xlsx" else {"reader": "delimited", "separator": ","}
    if form == "gb18030":
        dialect["encoding"] = "gb18030"
    if form != "xlsx":
        dialect["header"] = "names"
    delivery = {
        **dialect,
        "files": f"{{yyyymmdd}}/WIDE_{{yyyymmdd}}.{form}",
        "mode": "append",
        "max_quarantine_share": 0.05,
        "volume": {"maximum": 50_000_000},
    }
    dataset = {
        "name": "rows",
        "physicalName": "WIDE",
        "description": "One row a repayment.",
        "customProperties": [{"property": "delivery", "value": delivery}],
        "properties": [_property(name, form) for name in TYPES],
    }
    contract = {
        "apiVersion": "v3.2.0",
        "kind": "DataContract",
        "id": SOURCE,
        "name": "Wide file",
        "version": "1.0.0",
        "status": "active",
        "domain": "benchmark",
        "description": {"purpose": "Measures ingestion."},
        "team": {"name": "platform"},
        "customProperties": [
            {"property": "source", "value": {"cron": "0 7 * * *", "available_at": "07:00", "go_live": "2026-03-02"}}
        ],
        "schema": [dataset],
    }
    (tenant / "contracts").mkdir(parents=True, exist_ok=True)
    (tenant / "tenant.toml").write_text('without = ["contracts"]\n', encoding="utf-8")
    text = yaml.safe_dump(contract, allow_unicode=True, sort_keys=False)
    (tenant / "contracts" / f"{SOURCE}.yml").write_text(text, encoding="utf-8")


def _property(name: str, form: str) -> dict[str, Any]:
    kind = TYPES[name]
    found: dict[str, Any] = {
        "name": name,
        "logicalType": LOGICAL.get(kind, "number"),
        "physicalType": kind,
        "description": name,
    }
    if name == "loan_no":
        found |= {"primaryKey": True, "primaryKeyPosition": 1, "required": True}
    if name in PROTECTED:
        protect = {"property": "column", "value": {"protect": PROTECTED[name]}}
        found |= {"classification": "C2", "required": True, "customProperties": [protect]}
    if name in CODES:
        found["enum"] = [{"value": code, "label": code} for code in CODES[name]]
    if name in RULES:
        found["logicalTypeOptions"] = RULES[name]
    if form == "xlsx" and kind == "DATE":
        found["customProperties"] = [{"property": "column", "value": {"format": "%Y-%m-%d %H:%M:%S"}}]
    return found


def main(form: str, path: str, rows: str) -> None:
    """Write one file, whole or not at all."""
    writers = {"csv": write_csv, "gb18030": write_gb18030, "xlsx": write_workbook}
    draft = Path(f"{path}.new")
    writers[form](draft, int(rows))
    draft.replace(path)
    print(json.dumps({"bytes": Path(path).stat().st_size}))


if __name__ == "__main__":
    main(*sys.argv[1:])
