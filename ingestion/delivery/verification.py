"""Verification (校验): what the sender says of a delivery, checked before anything of it is read."""

from __future__ import annotations

import base64
import binascii
import mmap
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, localcontext
from pathlib import Path
from typing import TypeVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from ingestion.contract import Dataset
from ingestion.contract.profiles import Checksum, Control, Signature
from ingestion.delivery.companions import read_companion
from ingestion.delivery.finding import check_unchanged
from ingestion.delivery.identity import (
    Delivery,
    DeliveryIncomplete,
    DeliveryRefused,
    describe_incomplete,
    describe_os_error,
)
from ingestion.delivery.patterns import place_companion
from ingestion.foundation import Settings
from ingestion.foundation.files import digest_file

Total = TypeVar("Total", int, Decimal)
HEX_DIGITS = {"md5": 32, "sha256": 64, "sm3": 64}
SIGNATURE_BYTES = 64
DIGITS = 80
COUNT = re.compile(r"[0-9]{1,18}")
AMOUNT = re.compile(r"[+-]?[0-9]{1,30}(\.[0-9]{1,18})?")
GROUPED = re.compile(r"[+-]?[0-9]{1,3}(,[0-9]{3}){0,9}(\.[0-9]{1,18})?")


@dataclass(frozen=True)
class ControlTotals:
    """What a control file says of the rows: how many, and sums by column in the column's own unit."""

    rows: int | None = None
    sums: dict[str, Decimal] = field(default_factory=dict)


def verify_delivery(delivery: Delivery, settings: Settings) -> ControlTotals:
    """Check size, checksum, signature, name and date of a delivery; returns what is left to compare with its rows.

    Checksum and signature are of the delivered bytes, of a split delivery those of each part; the control file is
    beside the list of parts. A marker that came alone may state zeros only.

    Raises:
        DeliveryRefused: the delivery contradicts what its sender says, or the sender says it in no agreed form.
        DeliveryIncomplete: a file changed or went away meanwhile.
    """
    check_unchanged(delivery)
    contracted = delivery.dataset.delivery
    try:
        stated = _check_control(delivery)
        for path in delivery.data_files:
            if contracted.checksum is not None:
                _check_digest(path, contracted.checksum, delivery.dataset)
            if contracted.signature is not None:
                _check_signature(path, contracted.signature)
    except OSError as error:
        name = Path(str(error.filename or delivery.path)).name
        raise DeliveryIncomplete(
            describe_incomplete(delivery.dataset, delivery.batch_date, f"{name} {describe_os_error(error)}")
        ) from None
    check_unchanged(delivery)
    return stated


def read_totals(delivery: Delivery, remarks: Sequence[str], stated: ControlTotals) -> ControlTotals:
    """Totals that lines which are no rows state of the rows, beside those of a control file.

    Raises:
        DeliveryRefused: a contracted total is not stated, or differently in two places, or another business date is.
    """
    dataset, rows, sums = delivery.dataset, stated.rows, dict(stated.sums)
    for meaning, pattern in dataset.delivery.totals.items():
        found = {match[1].strip() for text in remarks for match in re.finditer(pattern, text) if match[1]}
        if len(found) != 1:
            said = "no line that is no row states" if not found else f"{len(found)} lines state differently"
            raise DeliveryRefused(f"{said} what the contract calls {meaning} in `totals`")
        (value,) = found
        match meaning:
            case "business_date":
                if re.sub("[^0-9]", "", value) != f"{delivery.batch_date:%Y%m%d}":
                    raise DeliveryRefused(f"states another business date than {delivery.batch_date}")
            case "rows":
                rows = _agree(rows, _parse_count(value, meaning, delivery.path.name), meaning)
            case total:
                column = total.removeprefix("sum:")
                amount = _parse_amount(value, meaning, delivery.path.name, dataset, column)
                sums[column] = _agree(sums.get(column), amount, meaning)
    return ControlTotals(rows, sums)


def _agree(held: Total | None, found: Total, meaning: str) -> Total:
    """A total that control file and data file both may state."""
    if held is not None and held != found:
        raise DeliveryRefused(f"states {meaning} otherwise than its control file")
    return found


def compare_totals(stated: ControlTotals, rows: int, sums: dict[str, Decimal]) -> None:
    """Compare what the control file states with what was read.

    `rows` and `sums` are over all rows delivered, landed and quarantined; a value that cannot be read adds nothing to
    its sum, so that a broken amount shows up here as a difference.

    Raises:
        DeliveryRefused: naming each difference in a table.
    """
    pairs = {} if stated.rows is None else {"rows": (Decimal(stated.rows), Decimal(rows))}
    pairs |= {f"sum of {name}": (total, sums.get(name, Decimal(0))) for name, total in stated.sums.items()}
    table = [("total", "stated", "found", "difference")]
    with localcontext(prec=DIGITS):
        table += [
            (name, f"{reported:f}", f"{found:f}", f"{found - reported:+f}")
            for name, (reported, found) in pairs.items()
            if reported != found
        ]
    if len(table) > 1:
        raise DeliveryRefused(
            "\n".join(["does not hold what its control file states:", *_align_table(table)])
            + f"\n{len(table) - 1} of {len(pairs)} control totals differ"
        )


def _align_table(table: Sequence[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    for first, *others in table:
        numbers = (text.rjust(width) for text, width in zip(others, widths[1:], strict=True))
        yield "  ".join(["", first.ljust(widths[0]), *numbers])


def _check_digest(path: Path, checksum: Checksum, dataset: Dataset) -> None:
    beside, algorithm = place_companion(path, checksum.file), checksum.algorithm
    line = read_companion(beside, dataset).strip()
    match = re.fullmatch(rf"([0-9A-Fa-f]{{{HEX_DIGITS[algorithm]}}})(?:[ \t]+\*?([^\r\n]+))?", line)
    if match is None:
        raise DeliveryRefused(
            f"{beside.name} is not one line of {HEX_DIGITS[algorithm]} hexadecimal digits ({algorithm}) and the name"
        )
    if match[2] is not None and match[2] != path.name:
        raise DeliveryRefused(f"{beside.name} is of another file than {path.name}")
    try:
        found = digest_file(path, algorithm)
    except ValueError:
        raise DeliveryRefused(
            f"{beside.name} cannot be checked, because this Python's OpenSSL has no {algorithm}"
        ) from None
    if found != match[1].lower():
        raise DeliveryRefused(f"{path.name} has {algorithm} {found}, but {beside.name} says {match[1].lower()}")


def _check_signature(path: Path, signature: Signature) -> None:
    beside = place_companion(path, signature.file)
    with beside.open("rb") as handle:
        content = handle.read(4 * SIGNATURE_BYTES)
    if len(content) != SIGNATURE_BYTES:
        try:
            content = base64.b64decode(b"".join(content.split()), validate=True)
        except binascii.Error:
            content = b""
    if len(content) != SIGNATURE_BYTES:
        raise DeliveryRefused(f"{beside.name} is not {SIGNATURE_BYTES} bytes, as they are or in base64")
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(signature.public_key))
    try:
        if path.stat().st_size == 0:
            key.verify(content, b"")
            return
        with (
            path.open("rb") as handle,
            mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
            memoryview(mapped) as message,
        ):
            key.verify(content, message)
    except InvalidSignature:
        raise DeliveryRefused(
            f"{beside.name} is not the signature of {path.name} by the contract's {signature.algorithm} key"
        ) from None


def _check_control(delivery: Delivery) -> ControlTotals:
    ready = delivery.dataset.delivery.ready
    if ready is None or ready.control is None:
        return ControlTotals()
    path = delivery.path if delivery.is_empty else place_companion(delivery.path, ready.marker)
    values = _parse_control(path.name, read_companion(path, delivery.dataset), ready.control)
    size = sum(part.stat().st_size for part in delivery.data_files)
    expected = {"file_name": delivery.announced_name, "business_date": f"{delivery.batch_date:%Y%m%d}"}
    rows, sums = None, {}
    for label, meaning in ready.control.fields.items():
        value = values[label]
        match meaning:
            case "file_name" | "business_date":
                if value != expected[meaning]:
                    raise DeliveryRefused(f"{path.name} states another {label} than {expected[meaning]}")
            case "bytes":
                if _parse_count(value, label, path.name) != size:
                    raise DeliveryRefused(f"{path.name} states {label} {int(value)}, but {size} bytes are there")
            case "rows":
                rows = _parse_count(value, label, path.name)
            case total:
                column = total.removeprefix("sum:")
                sums[column] = _parse_amount(value, label, path.name, delivery.dataset, column)
    if delivery.is_empty and (rows or any(sums.values())):
        raise DeliveryRefused(f"{path.name} states rows, but came without {delivery.announced_name}")
    return ControlTotals(rows, sums)


def _parse_control(name: str, text: str, control: Control) -> dict[str, str]:
    """Values by label; the texts themselves are never quoted, for what is no control file may hold anything."""
    lines = [(number, line.strip("\r")) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    labels = list(control.fields)
    if control.layout == "line":
        if len(lines) != 1:
            raise DeliveryRefused(f"{name} has {len(lines)} lines, but the contract wants one")
        values = [value.strip() for value in lines[0][1].split(control.separator)]
        if len(values) != len(labels):
            raise DeliveryRefused(
                f"{name} has {len(values)} values, but the contract wants {len(labels)}: {', '.join(labels)}"
            )
        return dict(zip(labels, values, strict=True))
    found: dict[str, str] = {}
    for number, line in lines:
        label, separator, value = line.partition(control.separator)
        label = label.strip()
        if not separator:
            raise DeliveryRefused(f"{name} has no {control.separator!r} between label and value in line {number}")
        if label not in control.fields:
            raise DeliveryRefused(f"{name} has a label in line {number} that the contract does not know")
        if label in found:
            raise DeliveryRefused(f"{name} states {label} again in line {number}")
        found[label] = value.strip()
    missing = [label for label in labels if label not in found]
    if missing:
        raise DeliveryRefused(f"{name} does not state {', '.join(missing)}")
    return found


def _parse_count(value: str, label: str, name: str) -> int:
    if not COUNT.fullmatch(value):
        raise DeliveryRefused(f"{name} states a {label} that is not a whole number")
    return int(value)


def _parse_amount(value: str, label: str, name: str, dataset: Dataset, column: str) -> Decimal:
    is_grouped = any(entry.name == column and entry.profile.thousands for entry in dataset.columns)
    implied = next((entry.profile.implied_decimals for entry in dataset.columns if entry.name == column), None)
    if AMOUNT.fullmatch(value):
        return Decimal(value).scaleb(-implied) if implied and "." not in value else Decimal(value)
    if is_grouped and GROUPED.fullmatch(value):
        return Decimal(value.replace(",", ""))
    raise DeliveryRefused(f"{name} states a {label} that is not an amount")
