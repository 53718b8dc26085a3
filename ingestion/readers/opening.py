"""Open a delivered file by its contract, whatever its dialect."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

from ingestion.contract import Dataset
from ingestion.foundation.sql import quote_name
from ingestion.readers.columnar import open_parquet, open_workbook
from ingestion.readers.delimited import lines_sql, open_delimited, open_json_lines
from ingestion.readers.drift import LayoutChanged
from ingestion.readers.first_bytes import EXPECTED, name_content
from ingestion.readers.fixed_width import UNIT_SEPARATOR, delimit_columns
from ingestion.readers.line_form import lay_lines
from ingestion.readers.lines import Numbers
from ingestion.readers.reading import FileUnreadable, LineEndsMixed, Lines, Reading
from ingestion.readers.recognition import refuse_other_encoding
from ingestion.readers.shifted import mark_shifted
from ingestion.readers.surrounding import drop_surroundings
from ingestion.readers.transcode import transcode_file
from ingestion.readers.xml_records import open_xml


def open_reading(
    path: Path,
    dataset: Dataset,
    work: Path,
    day: date,
    is_normalised: bool = False,
    shifted: Numbers | None = None,
) -> Reading:
    """Open one plain file of a business date, with its line ends made alike if asked.

    What has to be rewritten for that goes to `work`. The `shifted` lines are marked, so that the parser rejects them as
    too wide.

    Raises:
        FileUnreadable: the file as a whole is not of the contracted dialect.
        LayoutChanged: its columns are not the contract's.
    """
    if dataset.delivery.reader in ("delimited", "fixed_width", "json_lines"):
        refuse_other_encoding(path, dataset.delivery.encoding)
    try:
        return _open(path, dataset, work, day, is_normalised, shifted)
    except (FileUnreadable, LayoutChanged) as error:
        content = name_content(path)
        is_expected = content in EXPECTED.get(dataset.delivery.reader, ())
        if content is None or is_expected or isinstance(error, LineEndsMixed):
            raise
        wanted = dataset.delivery.reader.replace("_", " ")
        raise FileUnreadable(f"is {content} by its first bytes, not the {wanted} of its contract") from None


def _open(path: Path, dataset: Dataset, work: Path, day: date, is_normalised: bool, shifted: Numbers | None) -> Reading:
    path, dataset, remarks = lay_lines(path, dataset, work)
    delivery = dataset.delivery
    match delivery.reader:
        case "parquet" | "database":
            return open_parquet(path, dataset)
        case "xml":
            return open_xml(path, dataset, work)
        case "excel":
            return open_workbook(path, dataset, day)
        case "json_lines":
            lines = _open_lines(path, path, dataset, work, is_normalised)
            return replace(open_json_lines(lines, dataset), remarks=remarks)
        case "delimited":
            around = drop_surroundings(path, delivery, delivery.preamble + (delivery.header != "none"), work)
            lines = _open_lines(path, around.file, dataset, work, is_normalised)
            lines = replace(lines, skipped=around.skipped)
            if shifted is not None:
                lines = mark_shifted(lines, delivery.separator, shifted, work)
            return replace(open_delimited(lines, dataset), remarks=around.texts)
        case "fixed_width":
            return _open_fixed_width(path, dataset, work, is_normalised)


def _open_lines(path: Path, plain: Path, dataset: Dataset, work: Path, is_normalised: bool) -> Lines:
    delivery = dataset.delivery
    has_heading = delivery.reader == "delimited" and delivery.header != "none"
    text, counted, marks = transcode_file(plain, delivery.encoding, work, is_normalised)
    heading = delivery.preamble + has_heading
    return Lines(text, path, delivery.encoding, heading, counted, marks if plain == path else None)


def _open_fixed_width(path: Path, dataset: Dataset, work: Path, is_normalised: bool) -> Reading:
    heading = dataset.delivery.preamble
    around = drop_surroundings(path, dataset.delivery, heading, work)
    delimited = delimit_columns(around.file, dataset, heading, work)
    lines = _open_lines(path, delimited, dataset, work, is_normalised)
    names = [column.physical_name for column in dataset.columns]
    trimmed = ", ".join(f"nullif(trim({quote_name(name)}), '') as {quote_name(name)}" for name in names)
    return Reading(f"select {trimmed} from ({lines_sql(lines, names, UNIT_SEPARATOR)})", lines, remarks=around.texts)
