"""What lies around a sample: the date and part number in its name, and the small files beside it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from ingestion.foundation.files import digest_file
from ingestion.scaffold.column_draft import ColumnDraft
from ingestion.scaffold.naming import form_table_name
from ingestion.scaffold.table import Table

DATE = re.compile(r"(?<!\d)((?:19|20)\d{6})(?!\d)")
PART = re.compile(r"(?P<before>[_.-](?:part)?)(?P<part>\d{1,5})(?=(?:\.[A-Za-z]+)*$)")
READY = ("ok", "done", "ctl", "flg", "fin", "flag", "ready", "end", "chk")
MARKERS = ("_SUCCESS", "_DONE", "_READY", "SUCCESS", "ready.flag")
DIGESTS = {"md5": ("md5", 32), "sha256": ("sha256", 64), "sha": ("sha256", 64), "sm3": ("sm3", 64)}
STAMP = re.compile(r"\d{4,}")
MOST_BYTES = 64 << 20
MOST_MARKER = 1 << 14


@dataclass
class Surroundings:
    """Delivery keys read off the file's place, its business date, and doubts by key."""

    delivery: dict[str, Any]
    source: str
    dataset: str
    physical: str
    day: str | None
    doubts: dict[str, list[str]] = field(default_factory=dict)

    def doubt(self, key: str, evidence: str) -> None:
        """Note what a person must confirm about one key."""
        self.doubts.setdefault(key, []).append(evidence)


def read_surroundings(path: Path) -> Surroundings:
    """Read patterns, source and dataset off a file's name and folder."""
    folder = path.parent
    found = _business_day(path.name) or _business_day(folder.name)
    dated = DATE.fullmatch(folder.name) is not None
    pattern = path.name.replace(found, "{yyyymmdd}") if found else path.name
    home = folder.parent if dated else folder
    stem = re.sub(r"[_.\-\s]*\{yyyymmdd\}|[_.\-\s]*\{part\}", "", pattern).split(".")[0]
    surroundings = Surroundings({}, "", "", "", found)
    part = PART.search(pattern)
    if part:
        pattern, stem = _number(path, pattern, part, surroundings)
    prefix = "{yyyymmdd}/" if dated and found == folder.name else ""
    if dated and not prefix:
        surroundings.doubt("files", f"folder {folder.name} and file name hold different dates")
        prefix = "{yyyymmdd}/"
        pattern = path.name
    if prefix and found and "{yyyymmdd}" not in pattern:
        surroundings.doubt("files", "the date is in the folder's name only")
    if not found:
        surroundings.doubt("files", "no yyyymmdd in the name or its folder; how does the business date show?")
    for stamp in STAMP.findall(re.sub(r"\{\w+\}", "_", pattern)):
        surroundings.doubt(
            "files",
            f"{len(stamp)} digits more in the name look like a time stamp or a number; where they differ from file to"
            " file, put a placeholder there, or no other file is found",
        )
    surroundings.delivery = {"files": prefix + pattern, **surroundings.delivery}
    surroundings.source = form_table_name(home.name) or "new_partner"
    surroundings.physical = stem or path.stem
    surroundings.dataset = form_table_name(stem) or "rows"
    return surroundings


def _business_day(text: str) -> str | None:
    for match in DATE.finditer(text):
        digits = match[1]
        try:
            date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
        except ValueError:
            continue
        return digits
    return None


def _number(path: Path, pattern: str, part: re.Match[str], surroundings: Surroundings) -> tuple[str, str]:
    """A number after the date: a part, where a list or other parts lie beside; a re-send, where the first file does."""
    plain = pattern[: part.start()] + pattern[part.end() :]
    stem = re.sub(r"[_.\-\s]*\{yyyymmdd\}", "", plain).split(".")[0]
    day = surroundings.day or ""
    if (path.parent / plain.replace("{yyyymmdd}", day)).is_file() and len(part["part"]) == 2:
        surroundings.delivery["resend"] = ("{yyyymmdd}/" if DATE.fullmatch(path.parent.name) else "") + (
            pattern[: part.start("part")] + "{nn}" + pattern[part.end("part") :]
        )
        surroundings.doubt("resend", f"number {part['part']} beside a file without number: a corrected re-send")
        return plain, stem
    dated = pattern.replace("{yyyymmdd}", day)
    around = PART.search(dated)
    if around is None:
        return pattern, stem
    numbered = dated[: around.start("part")] + "[0-9]" * len(part["part"]) + dated[around.end("part") :]
    siblings = len(list(path.parent.glob(numbered)))
    lists = sorted(
        entry for entry in path.parent.glob("*.lst") if _small_text(entry) and path.name in _small_text(entry).split()
    )
    if siblings < 2 and not lists:
        return pattern, stem
    parted = pattern[: part.start("part")] + "{part}" + pattern[part.end("part") :]
    prefix = "{yyyymmdd}/" if DATE.fullmatch(path.parent.name) else ""
    if lists:
        surroundings.delivery["parts"] = prefix + lists[0].name.replace(day or "{yyyymmdd}", "{yyyymmdd}")
        named = len(_small_text(lists[0]).split())
        surroundings.doubt("parts", f"{siblings} parts lie here, the list names {named}")
    else:
        surroundings.delivery["parts"] = prefix + plain.rsplit(".", 1)[0] + ".lst"
        surroundings.doubt("parts", f"{siblings} parts lie here, but no list that names them; ask for one")
    return parted, stem


def read_companions(path: Path, surroundings: Surroundings, table: Table, drafts: list[ColumnDraft]) -> None:
    """Find ready marker, digest and signature beside the file, and read what they say."""
    whole = {f"{path.name}.{{}}": "{name}", f"{path.stem}.{{}}": "{stem}"}
    for form, placeholder in whole.items():
        for suffix in (*READY, *(suffix.upper() for suffix in READY)):
            marker = path.with_name(form.format(suffix))
            if "ready" not in surroundings.delivery and marker.is_file() and marker != path:
                _read_marker(marker, f"{placeholder}.{suffix}", path, surroundings, table, drafts)
        for suffix, (algorithm, digits) in DIGESTS.items():
            beside = path.with_name(form.format(suffix))
            if "checksum" not in surroundings.delivery and beside.is_file() and beside != path:
                surroundings.delivery["checksum"] = {"algorithm": algorithm, "file": f"{placeholder}.{suffix}"}
                surroundings.doubt("checksum", _verify(path, beside, algorithm, digits))
        for suffix in ("sig", "sign", "asc"):
            beside = path.with_name(form.format(suffix))
            if beside.is_file() and beside != path:
                surroundings.doubt(
                    "signature",
                    f"{beside.suffix} lies beside; ask for the public key, then declare"
                    f" signature: {{algorithm: ed25519, file: '{placeholder}.{suffix}', public_key: …}}",
                )
    for name in MARKERS:
        if "ready" not in surroundings.delivery and path.with_name(name).is_file():
            surroundings.delivery["ready"] = {"marker": name}
    if "ready" not in surroundings.delivery:
        surroundings.doubt("ready", "no ready marker lies beside; does the file alone say that it is complete?")


def _small_text(path: Path) -> str:
    content = path.read_bytes() if path.is_file() and path.stat().st_size <= MOST_MARKER else b""
    return content.decode("utf-8-sig", "replace").strip()


def _verify(path: Path, beside: Path, algorithm: str, digits: int) -> str:
    reported = re.search(rf"\b[0-9a-fA-F]{{{digits}}}\b", _small_text(beside))
    if reported is None:
        return f"holds no {digits} hexadecimal digits; what is it?"
    if path.stat().st_size > MOST_BYTES:
        return "not compared: the file is large"
    try:
        digest = digest_file(path, algorithm)
    except ValueError:
        return f"not compared: {algorithm} is not available here"
    return "agrees with the file" if digest == reported[0].lower() else "does not agree with the file"


def _read_marker(
    marker: Path, pattern: str, path: Path, surroundings: Surroundings, table: Table, drafts: list[ColumnDraft]
) -> None:
    text = _small_text(marker)
    ready: dict[str, Any] = {"marker": pattern}
    surroundings.delivery["ready"] = ready
    if not text:
        if marker.stat().st_size > MOST_MARKER:
            surroundings.doubt("ready", "the marker is too large to be read; what does it hold?")
        return
    if text == path.name:
        ready["content"] = "file_name"
        return
    facts = _Facts(path, surroundings.day, table, drafts)
    control = _read_line(text, facts) or _read_keys(text, facts)
    if control is None:
        surroundings.doubt(
            "ready", "the marker holds text that is neither the file's name nor counts; what does it mean?"
        )
        return
    ready |= {"content": "control", "control": control}
    reported = ", ".join(f"{label} is {meaning}" for label, meaning in control["fields"].items())
    surroundings.doubt("ready", f"meanings found by comparing the numbers with the sample: {reported}")


class _Facts:
    """What a control file can say of its data file, and which of these a text says."""

    def __init__(self, path: Path, day: str | None, table: Table, drafts: list[ColumnDraft]) -> None:
        self.plain = {"file_name": path.name, "bytes": str(path.stat().st_size), "business_date": day}
        if table.is_complete:
            self.plain["rows"] = str(table.rows)
        self.sums: dict[str, Decimal] = {}
        if table.is_complete:
            for number, draft in enumerate(drafts, 1):
                if draft.type.startswith(("DECIMAL", "BIGINT", "INTEGER")):
                    values = (text.strip() for text in table.frame[f"c{number}"].drop_nulls().to_list())
                    self.sums[draft.name] = sum(
                        (_decimal(text) or Decimal(0) for text in values if text not in draft.missing), Decimal(0)
                    )

    def meaning(self, text: str) -> str | None:
        """What a value of a control file says; None for anything unknown."""
        text = text.strip()
        dashed = re.sub(r"(\d{4})-(\d\d)-(\d\d)", r"\1\2\3", text)
        for meaning, fact in self.plain.items():
            if fact is not None and fact == (dashed if meaning == "business_date" else text):
                return meaning
        number = _decimal(text)
        return next(
            (f"sum:{name}" for name, total in self.sums.items() if number is not None and total == number), None
        )


def _decimal(text: str) -> Decimal | None:
    try:
        return Decimal(text.replace(",", ""))
    except InvalidOperation:
        return None


def _read_line(text: str, facts: _Facts) -> dict[str, Any] | None:
    if "\n" in text:
        return None
    for separator in ("|+|", "||", "|", ",", ";", "\t", "\x01", " "):
        values = text.split(separator)
        meanings = [facts.meaning(value) for value in values]
        if len(values) > 1 and all(meanings):
            labels = [str(meaning).replace("sum:", "sum_of_") for meaning in meanings]
            return {"separator": separator, "fields": dict(zip(labels, meanings, strict=True))}
    meaning = facts.meaning(text)
    return {"fields": {meaning: meaning}} if meaning else None


def _read_keys(text: str, facts: _Facts) -> dict[str, Any] | None:
    for separator in ("=", ":", "|", ","):
        pairs = [line.split(separator, 1) for line in text.splitlines() if line.strip()]
        if all(len(pair) == 2 for pair in pairs):
            found = {pair[0].strip(): facts.meaning(pair[1]) for pair in pairs}
            if all(found.values()):
                return {"layout": "keys", "separator": separator, "fields": found}
    return None
