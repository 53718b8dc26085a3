"""The words of a data contract (数据契约): closed profiles for what the Open Data Contract Standard has no word for."""

from __future__ import annotations

from datetime import date, time
from typing import Literal

from pydantic import Field

from ingestion.foundation.declarations import Closed, DeclarationsInvalid

Reader = Literal["delimited", "fixed_width", "json_lines", "xml", "parquet", "excel", "database"]
NoData = Literal["absent", "marker_only", "empty_file", "header_only"]
Digest = Literal["md5", "sha256", "sm3"]
Identifier = Literal[
    "cert_no", "cert_no_masked", "cert_no_md5", "cert_no_sha256", "cert_no_sm3",
    "mobile", "mobile_masked", "mobile_md5", "mobile_sha256", "mobile_sm3",
    "bank_card", "bank_card_masked", "bank_card_md5", "bank_card_sha256", "bank_card_sm3",
    "person_name", "device_id", "email", "address", "openid", "opaque",
]  # fmt: skip


class ContractInvalid(DeclarationsInvalid):
    """One or more contracts cannot be used."""


class SourceProfile(Closed):
    """Contract-level profile `source`: when a party delivers and since when the platform has been receiving."""

    cron: str = Field(pattern=r"^\S+( \S+){4}$", description="schedule of the ingest DAG, Asia/Shanghai")
    available_at: time = Field(description="time of the following day by which a business date is complete")
    go_live: date = Field(description="first business date delivered daily; older rows come as one stock load")
    connection: str | None = Field(None, description="SQLAlchemy URL of a database source; {landing} is its folder")
    timezone: str = Field(
        "Asia/Shanghai", description="clock of the source's times that state no offset, as IANA names it"
    )


class Control(Closed):
    """Control file (控制文件): what the sender says the data file holds, checked before and after it is read.

    Meanings: `file_name`, `bytes`, `rows`, `business_date` (yyyymmdd), or `sum:<column>` of all rows in the column's
    own unit.
    """

    layout: Literal["line", "keys"] = Field("line", description="values of one line, or one `label=value` a line")
    separator: str = Field("|", min_length=1, max_length=4, description="between two values, or label and value")
    fields: dict[str, str] = Field(description="label to meaning; for `line` in the order of the values")


class Ready(Closed):
    """Ready marker (就绪标志): the data file counts as delivered only when this exists and agrees."""

    marker: str = Field(description="file name; {name} and {stem} are those of the data file")
    content: Literal["empty", "file_name", "control"] = Field("empty", description="anything, the name, or counts")
    control: Control | None = Field(None, description="layout of a marker whose content is `control`")


class Checksum(Closed):
    """Digest of the data file (校验和) in a file beside it: `<hex>` or `<hex>  <name>`."""

    algorithm: Digest = Field(description="how it was computed")
    file: str = Field(description="file name; {name} and {stem} are those of the data file")


class Signature(Closed):
    """Signature of the data file (签名) in a file beside it, in base64 or as it is."""

    algorithm: Literal["ed25519"] = Field(description="how it was made")
    file: str = Field(description="file name; {name} and {stem} are those of the data file")
    public_key: str = Field(description="the sender's public key, 32 bytes in base64")


class Archive(Closed):
    """Archive (压缩包) around the data file; `files` then names the archive."""

    format: Literal["zip", "tar", "gzip"] = Field(
        "zip", description="tar: packed or not; gzip: the one file, without a member"
    )
    member: str | None = Field(None, description="name of the data file inside, with {yyyymmdd}")
    names: Literal["gbk", "utf-8"] = Field("gbk", description="character set of names that are not marked as UTF-8")
    password: str | None = Field(
        None, description="with {yyyymmdd} for one that changes daily and {secret}, kept in <home>/keys/<source>.secret"
    )


class Trailer(Closed):
    """Lines below the rows (文件尾): they end the rows, and what they say of them goes into `totals`.

    A file without its trailer was cut on the way, and is refused.
    """

    begins: str | None = Field(
        None, min_length=1, description="text with which its first line begins; nothing below that line is a row"
    )
    lines: int | None = Field(None, ge=1, le=1000, description="lines that it has, blank ones not counted")


class Drift(Closed):
    """What a changed layout (结构漂移) may do without refusing the file."""

    added: Literal["refuse", "ignore"] = Field("refuse", description="a column that the contract does not know")
    missing: Literal["refuse", "null"] = Field("refuse", description="an optional column that is not delivered")
    reordered: Literal["refuse", "accept"] = Field("refuse", description="known columns in another order")


class Calendar(Closed):
    """Calendar (交付日历): the business dates of which a dataset is delivered; on others no file is waited for.

    The schedule of the source stays daily: a run of another date finds nothing to land, and is no failure.
    """

    every: Literal["day", "weekday", "week", "month", "quarter"] = Field(
        "day", description="how often; weekday: Monday to Friday"
    )
    on: int | None = Field(
        None, ge=1, le=31, description="day of the week (1 is Monday, none is 7) or of the month (none is the last)"
    )
    without: list[date] = Field(default_factory=list, description="dates without a delivery, as holidays (节假日)")
    besides: list[date] = Field(default_factory=list, description="more dates with one, as worked Sundays (调休)")


class Volume(Closed):
    """Volume envelope of one delivery, in rows; outside it the delivery is refused."""

    minimum: int = Field(0, ge=0, description="fewest rows of a delivery")
    maximum: int = Field(ge=0, description="most rows of a delivery")


class DeliveryProfile(Closed):
    """Dataset-level profile `delivery`: how one dataset arrives, and what is tolerated."""

    reader: Reader = Field(description="how the file is opened")
    files: str | None = Field(
        None,
        description="path pattern below the source's folder: {yyyymmdd}, or {yyyy}, {mm}, {dd} apart; a month {yyyymm}"
        " or quarter {yyyy} {q} means its last day; {part} in parts; {hhmmss} or {yyyymmddhhmmss}: when it was made, of"
        " several the newest counts; {*}: free, one file a date",
    )
    calendar: Calendar | None = Field(
        None, description="of which business dates it is delivered; none: every day (or as a schedule says)"
    )
    resend: str | None = Field(None, description="pattern of a corrected re-send, with {nn}, counted from 02")
    query: str | None = Field(None, description="SQL of a database source; :since (exclusive) and :until (inclusive)")
    look_back_days: int = Field(
        0, ge=0, description="days before each date whose windows are queried again; another answer is a re-send"
    )
    ready: Ready | None = Field(None, description="ready marker beside the data file; none: the file alone counts")
    parts: str | None = Field(
        None, description="pattern of the list file of a delivery split into parts, a name a line"
    )
    archive: Archive | None = Field(None, description="zip archive around the data file")
    checksum: Checksum | None = Field(None, description="digest beside the data file")
    signature: Signature | None = Field(None, description="signature beside the data file")
    key: Literal["columns", "none"] = Field(
        "columns",
        description="`columns`: those with primaryKey; `none`: new facts without one, of which equal rows all count",
    )
    mode: Literal["snapshot", "append", "upsert", "correction"] = Field(
        description="what a delivery holds: all rows, new ones, new or changed ones, or replacements of earlier ones"
    )
    no_data: list[NoData] = Field(
        ["header_only"],
        description="legal ways to say that a date has no rows; without a heading the last two are one",
    )
    drift: Drift = Field(
        default_factory=lambda: Drift.model_validate({}), description="changes of layout that are tolerated"
    )
    business_date: str | None = Field(None, description="column that must hold the business date of the file's name")
    encoding: Literal["utf-8", "gb18030", "cp1252", "utf-16"] = Field(
        "utf-8", description="character set of a text file; utf-16 with a mark of the byte order, or little-endian"
    )
    line_end: Literal["lf", "cr", "none"] = Field(
        "lf", description="lf: CR LF too; cr: CR alone; none: records of a fixed width without line ends"
    )
    records: str | None = Field(
        None,
        description="where the rows of a document lie: the JSON path of an array (`$`, `$.data.list`), or the elements"
        " of an XML document from its root on, without namespaces (`Document/Stmt/Ntry`)",
    )
    separator: str = Field(",", min_length=1, max_length=4, description="between two columns of a delimited file")
    quote: str = Field("", max_length=1, description="encloses a value; empty: no quoting")
    escape: Literal["", "\\"] = Field("", description="before a quote inside a value; empty: a quote is doubled")
    trailing_separator: bool = Field(False, description="every line ends with a separator")
    preamble: int = Field(0, ge=0, description="lines above the header that say nothing about the rows")
    skip: list[str] = Field(
        default_factory=list,
        description="patterns of whole lines that are no rows: titles, subtotals, record types that nobody wants",
    )
    trailer: Trailer | None = Field(None, description="lines below the rows; none: every line is a row")
    totals: dict[str, str] = Field(
        default_factory=dict,
        description="what lines that are no rows (above, skipped, below) state of the rows: a meaning of `control`"
        " (`rows`, `business_date`, `sum:<column>`) to a pattern, whose one group is the value",
    )
    header: Literal["none", "names", "count"] = Field(
        "names", description="line 1: a row, the names, `dataRowCount` and n"
    )
    sheet: str | None = Field(
        None,
        description="sheet of a workbook, with {yyyymmdd} or {*} (all that fit, of one heading); none: its only one",
    )
    cut_line: Literal["refuse", "quarantine"] = Field(
        "refuse",
        description="what becomes of a file whose last line breaks off; a sample is kept without that line",
    )
    trimmed: bool = Field(False, description="lines of a fixed-width file lost the blanks at their ends")
    missing: list[str] = Field(default_factory=lambda: [""], description="spellings of no value, in any column")
    recorded_at: str | None = Field(None, description="column that holds when the source itself recorded the row")
    conforms_to: str | None = Field(None, description="canonical entity that the staging model yields")
    max_quarantine_share: float = Field(0.001, ge=0, le=1, description="broken rows tolerated (one always is)")
    volume: Volume = Field(description="rows that one delivery may have")


class NumberForm(Closed):
    """How a party writes numbers (数字写法) beyond plain digits; without it such a value is a broken rule."""

    marks: list[str] = Field(
        default_factory=list, description="texts before or after the digits that say nothing, as ¥ or 元"
    )
    units: dict[str, int] = Field(
        default_factory=dict, description="texts after the digits that stand for a power of ten: 万 4, % -2"
    )
    decimal: Literal[".", ","] = Field(".", description="decimal mark; the other one may then group digits")
    negative: list[Literal["brackets", "trailing_minus"]] = Field(
        default_factory=list, description="ways to write a number below zero, beside a leading minus"
    )
    full_width: bool = Field(False, description="digits and signs may be full-width (１２．５０)")
    exponent: bool = Field(False, description="9.3e-05 is a number; workbooks, JSON, Parquet and databases may always")


class Lookup(Closed):
    """Lookup (对照): odd values of a source that mean another one, or none, and why that is known."""

    match: list[str] = Field(min_length=1, description="delivered texts, without what surrounds them")
    value: str | None = Field(description="text that is read instead; null: no value")
    reason: str = Field(min_length=1, description="how it is known what they mean")


class ColumnProfile(Closed):
    """Column-level profile `column`: how a value is read and how it is protected."""

    format: str | list[str] | None = Field(
        None,
        description="strptime format (%-m: month without zero; %z, at the end: offset), iso8601, excel_serial, epoch_s,"
        " epoch_ms or epoch_us; several are tried in turn",
    )
    timezone: str | None = Field(None, description="clock of this column's times, where it is not the source's")
    strip: bool | None = Field(
        None,
        description='take off blanks, tabs and U+3000 around a text, a leading \' and ="…"; none: of keys, codes and'
        " identifiers",
    )
    number: NumberForm | None = Field(None, description="how numbers are written; none: plain digits")
    booleans: dict[str, bool] = Field(
        default_factory=dict, description="words of a BOOLEAN (是: true); none: true and false"
    )
    lookups: list[Lookup] = Field(default_factory=list, description="odd values that mean another one, with reasons")
    round_numbers: bool = Field(
        False, description="its numbers of more than 15 digits rightly end in zeros; else that refuses a delivery"
    )
    thousands: bool = Field(False, description="digits are grouped by commas")
    width: int | None = Field(None, ge=1, description="bytes in a fixed-width file, in the file's own encoding")
    aliases: list[str] = Field(default_factory=list, description="names under which the file may also call the column")
    path: str | None = Field(
        None,
        description="JSON path inside a JSON line; in XML elements below the record (`Amt`), or an attribute"
        " (`Amt/@Ccy`); of several the texts, a line each",
    )
    fill_down: bool = Field(False, description="merged cells of a workbook: an empty cell means the one above")
    implied_decimals: int | None = Field(
        None, ge=1, le=18, description="digits behind a decimal point that is not written: 12345 means 123.45"
    )
    missing: list[str] = Field(
        default_factory=list,
        description="sentinels that mean: no value; of typed columns as values, however they are spelled",
    )
    protect: Identifier | None = Field(None, description="kind of identifier; a token and its like replace it")
    identifiers: Literal["quarantine", "mask", "refuse"] | None = Field(
        None,
        description="what becomes of identity numbers, phones, cards and their like inside a text: its row waits (as"
        " where nothing is said of a text without protection, enum and pattern), stars replace them, or all is"
        " refused",
    )
    clear: str | None = Field(
        None,
        min_length=8,
        description="why a column whose name, pattern or values look like identifiers is kept as it is; nothing is"
        " searched for in it",
    )
    drop: bool = Field(False, description="checked like any column, but not kept in the lake")

    @property
    def formats(self) -> tuple[str, ...]:
        """Declared formats, in the order in which they are tried."""
        return (self.format,) if isinstance(self.format, str) else tuple(self.format or ())


class Column(Closed):
    """One column of a dataset: its name in the lake, its name in the file, its type and its row rules."""

    name: str
    physical_name: str
    type: str
    required: bool
    key_position: int | None
    accepted: tuple[str, ...]
    pattern: str | None
    minimum: str | None
    maximum: str | None
    classification: str | None
    description: str
    profile: ColumnProfile
    timezone: str = "Asia/Shanghai"

    @property
    def is_stripped(self) -> bool:
        """Whether a text is read without what surrounds it; what is no text is read both ways."""
        is_word = bool(self.key_position or self.accepted or self.profile.protect)
        return self.type == "VARCHAR" and (is_word if self.profile.strip is None else self.profile.strip)

    @property
    def is_free_text(self) -> bool:
        """Whether anything may stand in it: a kept text that nothing protects and no list or pattern restricts."""
        free = not (self.accepted or self.pattern or self.profile.protect or self.profile.drop)
        return self.type == "VARCHAR" and free

    @property
    def on_identifiers(self) -> str | None:
        """What becomes of identifiers inside the text; None where nothing is searched for."""
        if self.profile.identifiers or not self.is_free_text or self.profile.clear:
            return self.profile.identifiers
        return "quarantine"


class Dataset(Closed):
    """One dataset of a source, at the grain its description states."""

    source: str
    name: str
    description: str
    delivery: DeliveryProfile
    columns: tuple[Column, ...]

    @property
    def key(self) -> tuple[str, ...]:
        """Names of the business key's columns, in key order."""
        keyed = [(column.key_position, column.name) for column in self.columns if column.key_position]
        return tuple(name for _, name in sorted(keyed))


class Contract(Closed):
    """One source: who delivers, when, and its datasets."""

    source: str
    version: str
    owner: str
    description: str
    profile: SourceProfile
    datasets: tuple[Dataset, ...]

    def find_dataset(self, name: str) -> Dataset:
        """The dataset called `name`; KeyError if the contract has none."""
        return {dataset.name: dataset for dataset in self.datasets}[name]
