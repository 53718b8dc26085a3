"""Every delivery says by which contract it was read: resolved, hashed by what decides reading, kept once."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
import sqlalchemy as sa
import yaml

from ingestion.commands import main
from ingestion.contract import load_contract
from ingestion.contract.definitions import Definition, compare_definitions, derive_definition
from ingestion.foundation.ledger import open_ledger, use_ledger
from ingestion.foundation.ledger.opening import VERSION_TABLE
from ingestion.foundation.ledger.tables import contracts
from ingestion.landing import list_held, replay_held
from tests.ingestion.broken import BEIJING, Party, column, contract, dataset

Document = dict[str, Any]


def shaped() -> Document:
    """A contract with something to change at every level."""
    columns = (
        column("id", "BIGINT", key=True),
        column("code", enum=["A", "B"], missing=["-", "n/a"]),
        column("amount", "DECIMAL(18,2)", logicalTypeOptions={"minimum": 0}),
        column("cert_no", protect="cert_no"),
    )
    return contract("party", dataset(*columns, no_data=["absent", "header_only"]))


def resolve(party: Party, document: Document) -> Definition:
    party.agree(document)
    agreed = load_contract("party", party.settings)
    assert agreed is not None
    return derive_definition(agreed, agreed.datasets[0])


def _profile(document: Document) -> Document:
    value: Document = document["customProperties"][0]["value"]
    return value


def _delivery(document: Document) -> Document:
    value: Document = document["schema"][0]["customProperties"][0]["value"]
    return value


def _column(document: Document, place: int) -> Document:
    declared: Document = document["schema"][0]["properties"][place]
    return declared


ALIKE: dict[str, Callable[[Document], Any]] = {
    "descriptions": lambda document: (
        document["description"].update(purpose="in other words"),
        document["schema"][0].update(description="in other words"),
        _column(document, 2).update(description="in other words"),
    ),
    "owner, name and number": lambda document: document.update(
        team={"name": "risk"}, name="Another name", version="1.0.7"
    ),
    "schedule": lambda document: _profile(document).update(cron="5 8 * * *"),
    "classification": lambda document: _column(document, 3).update(classification="C1"),
    "canonical entity": lambda document: _delivery(document).update(conforms_to="loans"),
    "a default that is written out": lambda document: _delivery(document).update(encoding="utf-8", separator=","),
    "order of what is a set": lambda document: (
        _delivery(document)["no_data"].reverse(),
        _column(document, 1)["enum"].reverse(),
        _column(document, 1)["customProperties"][0]["value"]["missing"].reverse(),
    ),
    "order of keys": lambda document: document["schema"].append(dict(reversed(list(document["schema"].pop().items())))),
    "label of a code": lambda document: _column(document, 1)["enum"][0].update(label="in words"),
}
OTHERWISE: dict[str, Callable[[Document], Any]] = {
    "codes": lambda document: _column(document, 1)["enum"].append({"value": "C"}),
    "type": lambda document: _column(document, 2).update(physicalType="DECIMAL(18,4)"),
    "limit": lambda document: _column(document, 2)["logicalTypeOptions"].update(minimum=1),
    "name in the file": lambda document: _column(document, 2).update(physicalName="AMT"),
    "order of columns": lambda document: document["schema"][0]["properties"].reverse(),
    "required": lambda document: _column(document, 2).update(required=True),
    "protection": lambda document: _column(document, 3)["customProperties"][0]["value"].update(protect="opaque"),
    "sentinel": lambda document: _delivery(document).update(missing=["", "NULL"]),
    "encoding": lambda document: _delivery(document).update(encoding="gb18030"),
    "separator": lambda document: _delivery(document).update(separator="|"),
    "tolerance": lambda document: _delivery(document).update(max_quarantine_share=0.5),
    "volume": lambda document: _delivery(document)["volume"].update(minimum=1),
    "availability, which dates rows": lambda document: _profile(document).update(available_at="09:00"),
    "go-live": lambda document: _profile(document).update(go_live="2026-03-01"),
}


@pytest.mark.parametrize("change", ALIKE.values(), ids=ALIKE)
def test_what_does_not_decide_reading_leaves_the_hash(change: Callable[[Document], Any], party: Party) -> None:
    before, document = resolve(party, shaped()), copy.deepcopy(shaped())
    change(document)
    assert resolve(party, document).contract_hash == before.contract_hash


@pytest.mark.parametrize("change", OTHERWISE.values(), ids=OTHERWISE)
def test_what_decides_reading_is_another_hash_and_is_said(change: Callable[[Document], Any], party: Party) -> None:
    before, document = resolve(party, shaped()), copy.deepcopy(shaped())
    change(document)
    after = resolve(party, document)
    assert after.contract_hash != before.contract_hash
    assert len(list(compare_definitions(before, after))) == 1
    assert list(compare_definitions(after, after)) == []


def test_every_default_is_in_the_definition_and_comments_are_not(party: Party) -> None:
    definition = resolve(party, shaped())
    path = party.tenant / "contracts" / "party.yml"
    path.write_text(f"# in passing\n{path.read_text(encoding='utf-8')}# and at the end\n", encoding="utf-8")
    agreed = load_contract("party", party.settings)
    assert agreed is not None and derive_definition(agreed, agreed.datasets[0]) == definition
    content = json.loads(definition.text)
    assert content["delivery"]["encoding"] == "utf-8" and content["delivery"]["drift"]["added"] == "refuse"
    assert content["columns"][0]["physical_name"] == "id"
    assert definition.text == json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


URLS = {
    "postgresql://core:hunter2@host/core?options=x": "postgresql://core:***@host/core?options=x",
    "postgresql://core@host/core?password=hunter2&options=x": "postgresql://core@host/core?options=x&password=***",
    "mssql+pyodbc:///?odbc_connect=UID%3Dcore%3BPWD%3Dhunter2%3BPort%3D1": (
        "mssql+pyodbc:///?odbc_connect=UID%3Dcore%3BPWD%3D***%3BPort%3D1"
    ),
}


@pytest.mark.parametrize(("url", "shown"), URLS.items())
def test_no_password_of_a_database_is_kept(url: str, shown: str, party: Party) -> None:
    declared = dataset(column("id", key=True), reader="database", query="select id from t where :since < :until")
    queried = resolve(party, contract("party", declared, connection=url))
    assert queried.content["profile"]["connection"] == shown
    rotated = resolve(party, contract("party", declared, connection=url.replace("hunter2", "hunter3")))
    assert rotated.contract_hash == queried.contract_hash


def test_no_password_of_an_archive_is_kept(party: Party) -> None:
    archive = {"member": "rows.csv", "password": "geheim-{yyyymmdd}-{secret}"}
    packed = dataset(column("id", key=True), files="{yyyymmdd}.zip", archive=archive)
    held = resolve(party, contract("party", packed))
    assert held.content["delivery"]["archive"]["password"] == "***{yyyymmdd}***{secret}"
    assert "geheim" not in held.text


def agree(party: Party, *codes: str, version: str = "1.0.0") -> None:
    columns = (column("id", "BIGINT", key=True), column("code", enum=list(codes)))
    party.agree(contract("party", dataset(*columns)) | {"version": version})


def kept(party: Party) -> list[Any]:
    with use_ledger(party.settings) as connection:
        return list(connection.execute(sa.select(contracts).order_by(contracts.c.first_delivery_id)).all())


def ask(capsys: pytest.CaptureFixture[str], party: Party, monkeypatch: pytest.MonkeyPatch, *words: str) -> str:
    for name, value in party.environment.items():
        monkeypatch.setenv(name, value)
    capsys.readouterr()
    code = main(["contract", *words])
    written = capsys.readouterr()
    assert code == (1 if written.err else 0)
    return (written.err or written.out).rstrip("\n")


def test_two_landings_under_a_changed_contract_can_be_compared(
    party: Party, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    agree(party, "A")
    party.deliver("id,code\n1,A\n")
    party.land()
    agree(party, "A", "B")
    party.deliver("id,code\n1,A\n2,B\n", at="2026-03-03T08:00:00")
    party.land()
    old, new = party.ledger()
    assert old["contract_hash"] != new["contract_hash"]
    assert {row.contract_hash: row.first_delivery_id for row in kept(party)} == {
        row["contract_hash"]: row["delivery_id"] for row in (old, new)
    }
    said = ask(capsys, party, monkeypatch, old["contract_hash"][:10], new["delivery_id"][:10])
    assert said == 'columns.code.accepted: was "A", is "A", "B"'
    shown = ask(capsys, party, monkeypatch, new["delivery_id"])
    assert shown.splitlines()[0] == (
        f"# party.rows, contract {new['contract_hash']}, first used for {new['delivery_id']}"
    )
    assert yaml.safe_load(shown)["columns"][1]["accepted"] == ["A", "B"]
    same = ask(capsys, party, monkeypatch, new["delivery_id"], new["contract_hash"])
    assert same == f"Both are contract {new['contract_hash'][:12]} of party.rows."


def test_deliveries_under_equal_contracts_share_one(party: Party) -> None:
    agree(party, "A")
    for day in (2, 3):
        party.deliver("id,code\n1,A\n", day=f"2026-03-{day:02}")
    party.land(datetime(2026, 3, 3).date())
    agree(party, "A", version="1.0.1")
    party.deliver("id,code\n1,A\n", day="2026-03-04")
    party.land(datetime(2026, 3, 4).date())
    assert len({row["contract_hash"] for row in party.ledger()}) == len(kept(party)) == 1


def test_refused_and_replayed_deliveries_say_it_too(party: Party) -> None:
    agree(party, "A")
    party.deliver("id\n1\n")
    party.refusal()
    party.deliver("id,code\n1,A\n2,B\n", at="2026-03-03T08:00:00")
    party.land()
    (held,) = list_held(party.settings)
    assert str(held).endswith(f"rows.csv: 1 rows, contract {kept(party)[0].contract_hash[:12]}")
    agree(party, "A", "B", version="1.1.0")
    replay_held(held.delivery_id, datetime(2026, 3, 9, tzinfo=BEIJING), party.settings)
    refused, landed, replayed = (row["contract_hash"] for row in party.ledger())
    assert refused == landed != replayed and len(kept(party)) == 2


def test_a_contract_is_kept_with_its_delivery_or_not_at_all(party: Party) -> None:
    agree(party, "A")
    party.deliver("id,code\n1,A\n")
    engine = open_ledger(party.settings)
    with engine.begin() as connection:
        connection.execute(
            sa.text("create trigger full before insert on deliveries begin select raise(abort, 'full'); end")
        )
    with pytest.raises(sa.exc.IntegrityError):
        party.land()
    assert kept(party) == []


def test_a_ledger_without_contracts_is_migrated_and_says_what_it_does_not_know(
    party: Party, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    agree(party, "A")
    party.deliver("id,code\n1,A\n")
    party.land()
    with use_ledger(party.settings) as connection:
        connection.execute(sa.text("drop table contracts"))
        connection.execute(sa.text("alter table deliveries drop column contract_hash"))
        connection.execute(sa.text(f"update {VERSION_TABLE} set version_num = '0002'"))
    party.deliver("id,code\n1,A\n", day="2026-03-03")
    party.land(datetime(2026, 3, 3).date())
    old, new = party.ledger()
    assert (old["contract_hash"], [row.contract_hash for row in kept(party)]) == (None, [new["contract_hash"]])
    assert "recorded before contracts were kept; it was read by version 1.0.0" in ask(
        capsys, party, monkeypatch, old["delivery_id"]
    )
    assert ask(capsys, party, monkeypatch, "zz").startswith("no contracts of the ledger are meant by 'zz'; give more")
