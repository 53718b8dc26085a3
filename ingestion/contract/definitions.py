"""The definition (读取定义) by which a delivery was read: its contract, resolved, kept in the ledger under a hash.

All that the contract said is kept; the hash covers what decides how bytes become rows, and which. Words for people, the
schedule and what happens before or after reading (look-back, canonical entity) have no part in it, nor has a password.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ingestion.contract.profiles import Column, Contract, Dataset
from ingestion.foundation.ledger import deliveries, hide_password
from ingestion.foundation.ledger.tables import contracts

NOT_READING = {
    "": {"version", "owner", "description", "dataset_description"},
    "profile": {"cron"},
    "delivery": {"conforms_to", "look_back_days"},
    "columns": {"description", "classification"},
}
HIDDEN = "***"
SECRET_OPTION = re.compile(
    r"(?i)((?:pass|pwd|secret|token)\w*(?:=|%3d))(?:(?!%3b)[^&;])*"
)  # of a URL, or ODBC inside it
SHORT = 12
NOTHING = "nothing"


class DefinitionUnknown(Exception):
    """The ledger holds no contract under this name, or several."""


@dataclass(frozen=True)
class Definition:
    """What a contract says of one dataset, every default filled in; `content` is plain JSON."""

    source: str
    dataset: str
    content: Mapping[str, Any]

    @property
    def text(self) -> str:
        """Canonical JSON: sorted keys, no blanks."""
        return _render(self.content)

    @property
    def contract_hash(self) -> str:
        """SHA-256 of what decides reading; the same for contracts that read every delivery alike."""
        deciding = _leave_out(self.content, "")
        for key in ("profile", "delivery"):
            deciding[key] = _leave_out(self.content[key], key)
        deciding["columns"] = [_leave_out(column, "columns") for column in self.content["columns"]]
        return hashlib.sha256(_render(deciding).encode()).hexdigest()


def derive_definition(contract: Contract, dataset: Dataset) -> Definition:
    """Resolve what a contract says of one of its datasets; what is a set is sorted, and passwords are hidden."""
    profile = contract.profile.model_dump(mode="json")
    if profile["connection"]:
        profile["connection"] = SECRET_OPTION.sub(rf"\1{HIDDEN}", hide_password(profile["connection"]))
    delivery = dataset.delivery.model_dump(mode="json")
    delivery |= {"no_data": sorted(set(delivery["no_data"])), "missing": sorted(set(delivery["missing"]))}
    if delivery["archive"] and delivery["archive"]["password"]:
        delivery["archive"]["password"] = _hide_literals(delivery["archive"]["password"])
    content = {
        "source": contract.source,
        "dataset": dataset.name,
        "version": contract.version,
        "owner": contract.owner,
        "description": contract.description,
        "dataset_description": dataset.description,
        "profile": profile,
        "delivery": delivery,
        "columns": [_describe_column(column) for column in dataset.columns],
    }
    return Definition(contract.source, dataset.name, content)


def record_definition(definition: Definition, delivery_id: str, ledger: sa.Connection) -> str:
    """Keep a definition with the first delivery that was read by it, unless it is kept already; returns its hash."""
    contract_hash = definition.contract_hash
    if ledger.execute(sa.select(contracts).where(contracts.c.contract_hash == contract_hash)).first() is None:
        ledger.execute(
            sa.insert(contracts).values(
                contract_hash=contract_hash,
                source=definition.source,
                dataset=definition.dataset,
                definition=definition.text,
                first_delivery_id=delivery_id,
            )
        )
    return contract_hash


def find_definition(name: str, ledger: sa.Connection) -> tuple[str, Definition, str]:
    """Hash, definition and first delivery of a contract; `name` begins its hash, or that of a delivery read by it.

    Raises:
        DefinitionUnknown: nothing begins so, several contracts do, or the delivery is older than what is kept.
    """
    by_hash = sa.select(contracts.c.contract_hash).where(contracts.c.contract_hash.startswith(name, autoescape=True))
    by_delivery = sa.select(deliveries.c.contract_hash, deliveries.c.contract_version).where(
        deliveries.c.delivery_id.startswith(name, autoescape=True)
    )
    read = ledger.execute(by_delivery).all()
    found = {*ledger.execute(by_hash).scalars(), *(row.contract_hash for row in read)}
    if found == {None}:
        raise DefinitionUnknown(
            f"{name} was recorded before contracts were kept; it was read by version {read[0].contract_version} of its"
            " contract, which its repository may still hold."
        )
    if len(found) != 1:
        count = len(found) or "no"
        raise DefinitionUnknown(
            f"{count} contracts of the ledger are meant by {name!r}; give more of the hash, or of the name of a"
            " delivery that it read."
        )
    row = ledger.execute(sa.select(contracts).where(contracts.c.contract_hash.in_(found))).one()
    definition = Definition(row.source, row.dataset, json.loads(row.definition))
    return row.contract_hash, definition, row.first_delivery_id


def compare_definitions(old: Definition, new: Definition) -> Iterator[str]:
    """What differs, a sentence a key: its path, what it was and what it is; columns are compared by name."""
    before, after = dict(_list_keys(old.content)), dict(_list_keys(new.content))
    shared = {column["name"] for column in old.content["columns"]} & {
        column["name"] for column in new.content["columns"]
    }
    for path in dict.fromkeys([*before, *after]):
        first, name, *_ = [*path.split("."), ""]
        if before.get(path) != after.get(path) and (first != "columns" or not name or name in shared):
            yield f"{path}: was {_show(before.get(path))}, is {_show(after.get(path))}"


def _describe_column(column: Column) -> dict[str, Any]:
    described = column.model_dump(mode="json")
    profile = described.pop("profile")
    profile["format"] = list(column.profile.formats)
    profile |= {"missing": sorted(set(profile["missing"])), "aliases": sorted(set(profile["aliases"]))}
    return {**described, "accepted": sorted(set(column.accepted)), **profile}


def _hide_literals(pattern: str) -> str:
    """A password's placeholders, without the letters around them."""
    return "".join(part if part.startswith("{") else HIDDEN for part in re.split(r"(\{\w+\})", pattern) if part)


def _leave_out(content: Mapping[str, Any], where: str) -> dict[str, Any]:
    return {key: value for key, value in content.items() if key not in NOT_READING[where]}


def _render(content: Any) -> str:
    return json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _list_keys(content: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Path and value of everything that is declared; of the columns first their names in order, then each one's."""
    for key, value in content.items():
        path = f"{prefix}{key}"
        if path == "columns":
            yield path, [column["name"] for column in value]
            for column in value:
                yield from _list_keys(column, f"{path}.{column['name']}.")
        elif isinstance(value, Mapping):
            yield from _list_keys(value, f"{path}.")
        else:
            yield path, value


def _show(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_show, value)) or NOTHING
    return NOTHING if value is None else json.dumps(value, ensure_ascii=False)
