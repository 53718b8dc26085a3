"""Small files beside the data (伴随文件): ready markers, control, checksum and signature files."""

from __future__ import annotations

from pathlib import Path

from ingestion.contract import Dataset
from ingestion.delivery.identity import DeliveryRefused, describe_os_error
from ingestion.delivery.patterns import is_file, place_companion

SMALL_FILE = 1 << 20


def read_companion(path: Path, dataset: Dataset) -> str:
    """Text of a small file beside the data, in UTF-8 or else in the data's own character set.

    Raises:
        DeliveryRefused: it is not small.
        OSError: it cannot be read.
    """
    with path.open("rb") as handle:
        content = handle.read(SMALL_FILE + 1)
    if len(content) > SMALL_FILE:
        raise DeliveryRefused(f"{path.name} is larger than {SMALL_FILE:,} bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode(dataset.delivery.encoding, "replace")


def list_proofs(data: tuple[Path, ...], dataset: Dataset) -> list[Path]:
    """Checksum and signature files of the data files."""
    declared = (dataset.delivery.checksum, dataset.delivery.signature)
    return [place_companion(path, proof.file) for path in data for proof in declared if proof]


def find_lack(path: Path, data: tuple[Path, ...], dataset: Dataset) -> str:
    """What a file still lacks to count as delivered: its marker, or a file beside one of the data files."""
    delivery = dataset.delivery
    if not is_file(path):
        return f"{path.name} is not a file"
    lacks = find_marker_lack(place_companion(path, delivery.ready.marker), path.name, dataset) if delivery.ready else ""
    absent = (beside.name for beside in list_proofs(data, dataset) if not is_file(beside))
    return lacks or next((f"{name} is not there" for name in absent), "")


def find_marker_lack(marker: Path, name: str, dataset: Dataset, may_be_blank: bool = False) -> str:
    """What a ready marker still lacks to announce the file `name`; empty where it does."""
    content = dataset.delivery.ready.content if dataset.delivery.ready else "empty"
    if not is_file(marker):
        return f"{name} has no ready marker {marker.name}"
    if content == "empty":
        return ""
    try:
        text = read_companion(marker, dataset).strip()
    except DeliveryRefused as error:
        return str(error)
    except OSError as error:
        return f"{marker.name} {describe_os_error(error)}"
    if not text and not may_be_blank:
        return f"{marker.name} is empty"
    return f"{marker.name} does not name {name}" if content == "file_name" and text not in ("", name) else ""
