"""Open a delivered file by its contract, whatever its dialect."""

from __future__ import annotations

from pathlib import Path

from ingestion.contract import Dataset
from ingestion.foundation.sql import quote_name
from ingestion.readers.columnar import open_parquet, open_workbook
from ingestion.readers.delimited import lines_sql, open_delimited, open_json_lines
from ingestion.readers.drift import LayoutChanged
from ingestion.readers.first_bytes import EXPECTED, name_content
from ingestion.readers.fixed_width import UNIT_SEPARATOR, delimit_columns
from ingestion.readers.reading import FileUnreadable, LineEndsMixed, Lines, Reading
from ingestion.readers.transcode import transcode_file


def open_reading(path: Path, dataset: Dataset, work: Path, is_normalised: bool = False) -> Reading:
    """Open one plain file, with its line ends made alike if asked; what has to be rewritten for that goes to `work`.

    Raises:
        FileUnreadable: the file as a whole is not of the contracted dialect.
        LayoutChanged: its columns are not the contract's.
    """
    try:
        return _open(path, dataset, work, is_normalised)
    except (FileUnreadable, LayoutChanged) as error:
        content = name_content(path)
        is_expected = content in EXPECTED.get(dataset.delivery.reader, ())
        if content is None or is_expected or isinstance(error, LineEndsMixed):
            raise
        wanted = dataset.delivery.reader.replace("_", " ")
        raise FileUnreadable(f"is {content} by its first bytes, not the {wanted} of its contract") from None


def _open(path: Path, dataset: Dataset, work: Path, is_normalised: bool) -> Reading:
    delivery = dataset.delivery
    match delivery.reader:
        case "parquet" | "database":
            return open_parquet(path, dataset)
        case "excel":
            return open_workbook(path, dataset)
        case "json_lines":
            return open_json_lines(_open_lines(path, path, dataset, work, is_normalised))
        case "delimited":
            return open_delimited(_open_lines(path, path, dataset, work, is_normalised), dataset)
        case "fixed_width":
            return _open_fixed_width(path, dataset, work, is_normalised)


def _open_lines(path: Path, plain: Path, dataset: Dataset, work: Path, is_normalised: bool) -> Lines:
    delivery = dataset.delivery
    has_heading = delivery.reader == "delimited" and delivery.header != "none"
    text, counted, marks = transcode_file(plain, delivery.encoding, work, is_normalised)
    heading = delivery.preamble + has_heading
    return Lines(text, path, delivery.encoding, heading, counted, marks if plain == path else None)


def _open_fixed_width(path: Path, dataset: Dataset, work: Path, is_normalised: bool) -> Reading:
    delimited = delimit_columns(path, dataset, dataset.delivery.preamble, work)
    lines = _open_lines(path, delimited, dataset, work, is_normalised)
    names = [column.physical_name for column in dataset.columns]
    trimmed = ", ".join(f"nullif(trim({quote_name(name)}), '') as {quote_name(name)}" for name in names)
    return Reading(f"select {trimmed} from ({lines_sql(lines, names, UNIT_SEPARATOR)})", lines)
