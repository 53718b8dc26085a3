"""Tenants by their commands alone: one drafted from a sample file, and two laid over the product at the same time."""

from __future__ import annotations

import hashlib
import os
import re
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import pytest

from features.registry import load_views
from ingestion.commands import main as ingestion
from ingestion.contract import load_registry
from ingestion.foundation import PROJECT, Settings, load_settings
from ingestion.foundation.settings import claim_home
from ingestion.landing import land_source
from quality.commands import main as quality
from quality.frozen_project import freeze_project
from quality.published import open_published
from quality.suite import load_suites
from quality.warehouse import build

DAY = date(2026, 3, 2)
SOURCES = Path("models", "platform", "_sources.yml")
BEIJING = ZoneInfo("Asia/Shanghai")


def product_files() -> dict[str, str]:
    """Digests of all that belongs to the product: what no tenant's command may change."""
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in ("dags", "dbt_project", "features", "ingestion", "quality")
        for path in (PROJECT / folder).rglob("*")
        if path.is_file() and path.suffix not in (".pyc", ".duckdb", ".log")
    }


def serve(folder: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    tenant = "" if folder == Path() else str(folder)
    for name, value in (("TENANT", tenant), ("HOME", str(home)), ("THREADS", "2")):
        monkeypatch.setenv(f"PLATFORM_{name}", value)
    return load_settings()


def drop(settings: Settings, source: str, name: str, content: str) -> Path:
    """Lay a file where a source delivers it, received the next morning."""
    path = settings.landing / source / f"{DAY:%Y%m%d}" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    received = datetime(2026, 3, 3, 6, tzinfo=BEIJING).timestamp()
    os.utime(path, (received, received))
    return path


def test_a_drafted_tenant_lands_builds_and_publishes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = product_files()
    loans = "loan_no,amount,status\n" + "".join(f"L{n:04d},{100 + n}.50,{'AB'[n % 2]}\n" for n in range(80))
    calls = "call_no,loan_no\n" + "".join(f"K{n:04d},L{n:04d}\n" for n in range(40))
    folder, home = tmp_path / "tenant", tmp_path / "home"
    claim_home(serve(Path(), tmp_path / "demo", monkeypatch))
    sample = tmp_path / "sample" / "new_bank" / f"{DAY:%Y%m%d}"
    sample.mkdir(parents=True)
    for source, name, content in (("new_bank", "loans", loans), ("new_agency", "calls", calls)):
        file = sample / f"{name}_{DAY:%Y%m%d}.csv"
        file.write_text(content, encoding="utf-8")
        drafted = ["scaffold", str(file), "--source", source, "--dataset", name, "--into", str(folder)]
        assert ingestion(drafted) == 0
        assert f"suites/core/stg_{source}__{name}.yml\n" in capsys.readouterr().out
    settings = serve(folder, home, monkeypatch)
    drop(settings, "new_bank", f"loans_{DAY:%Y%m%d}.csv", loans)
    drop(settings, "new_agency", f"calls_{DAY:%Y%m%d}.csv", calls)
    day = ["--date", DAY.isoformat()]
    for main, arguments in (
        (ingestion, ["check"]),
        (quality, ["check"]),
        (quality, ["portable"]),
        (ingestion, ["land", *day]),
        (quality, ["build", *day]),
        (quality, ["publish", *day]),
    ):
        assert main(arguments) == 0, (arguments, capsys.readouterr())
    published = open_published("warehouse", settings)
    rows = {table: entry["rows"] for table, entry in published.manifest["tables"].items()}
    assert rows == {"stg_new_bank__loans": 80, "stg_new_agency__calls": 40}
    assert product_files() == before
    monkeypatch.delenv("PLATFORM_TENANT")
    assert quality(["build", *day]) == 2
    assert f"{home} is the home of {folder} and not of the product's own group;" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["demo", "home", "sample", "tenant"]
    assert {path.relative_to(folder).parts[0] for path in folder.rglob("*")} == {
        *("contracts", "models", "sets", "suites", "tenant.toml")
    }


def test_a_draft_for_a_tenant_without_models_leaves_the_product_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = product_files()
    folder = tmp_path / "tenant"
    folder.mkdir()
    (folder / "tenant.toml").write_text("", encoding="utf-8")
    settings = serve(folder, tmp_path / "home", monkeypatch)
    sample = drop(settings, "new_bank", f"loans_{DAY:%Y%m%d}.csv", "loan_no,amount\nL1,1.00\nL2,2.00\n")
    assert ingestion(["scaffold", str(sample)]) == 0
    assert ingestion(["check"]) == 0
    assert ingestion(["scaffold", str(sample), "--source", "bank_a"]) == 1
    assert "/ingestion/contracts/bank_a.yml exists; give another --source" in capsys.readouterr().err
    assert product_files() == before
    written = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*"))
    assert written == ["contracts/new_bank.yml", "models/staging/new_bank/stg_new_bank__loans.sql", "tenant.toml"]


VIEW = """\
view: {party}_offers
stage: mid
version: 1
owner: lending
description: Offers of the partner {party}, by what the platform knew of them.
entity: customer_id
source: fct_{party}_offers
event_time: offered_at
known_at: _known_at
superseded_at: null
legal_basis: consent
purposes: [UNDERWRITE]
max_staleness: 7d
features:
  - name: {party}_offer_cnt
    title: 报价笔数
    description: Offers of the partner so far.
    aggregate: count
    window: all
    type: bigint
    when_empty: 0
"""
SUITE = """\
table: fct_{party}_offers
gate: core
owner: lending
version: 1
description: One row per offer of the partner.
term: 报价
key: [offer_id]
"""
CORE = """\
-- One row per offer, in the unit of the tenant's own seed.
select
    offers.offer_id,
    offers.amount * factors.factor as offered_amount,
    offers._known_at
from {{{{ ref('stg_{party}__offers') }}}} as offers
cross join {{{{ ref('ref_{party}_factors') }}}} as factors
"""


def lay_over(folder: Path, party: str, factor: int, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A tenant that keeps the whole product and adds one party, from its contract to a feature view."""
    files = {
        "tenant.toml": 'replaces = ["seeds/ref_overdue_thresholds.csv"]\nextends = ["seeds/ref_codes.csv"]\n',
        "seeds/ref_codes.csv": f"code_set,code,canonical,label\n{party}.state,A,active,在保\n",
        "seeds/ref_overdue_thresholds.csv": f"threshold,lowest_dpd,label\n>=1,1,{party}\n",
        f"seeds/ref_{party}_factors.csv": f"factor\n{factor}\n",
        f"models/core/fct_{party}_offers.sql": CORE.format(party=party),
        f"suites/core/fct_{party}_offers.yml": SUITE.format(party=party),
        f"views/{party}_offers.yml": VIEW.format(party=party),
    }
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")
    settings = serve(folder, folder.parent / f"{folder.name}_home", monkeypatch)
    sample = drop(settings, party, f"offers_{DAY:%Y%m%d}.csv", "offer_no,amount\nO1,10.00\nO2,20.00\n")
    assert ingestion(["scaffold", str(sample)]) == 0
    return load_settings()


def seen(settings: Settings) -> dict[str, set[str]]:
    """What a tenant consists of, by kind and name."""
    project = freeze_project(settings, load_registry(settings)).folder
    return {
        "contracts": set(load_registry(settings).contracts),
        "models": {path.stem for path in (project / "models").rglob("*.sql")},
        "seeds": {path.stem for path in (project / "seeds").rglob("*.csv")},
        "suites": {suite.table for suite in load_suites(settings.suites)},
        "views": {view.view for view in load_views(settings.views).views},
        "sources": set(re.findall(r"^- name: (\w+)", (project / SOURCES).read_text(encoding="utf-8"), re.MULTILINE)),
    }


def test_two_tenants_add_to_the_product_and_do_not_see_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = product_files()
    product = seen(serve(Path(), tmp_path / "product_home", monkeypatch))
    tenants = {}
    for party, factor in (("north", 2), ("south", 3)):
        settings = tenants[party] = lay_over(tmp_path / f"tenant_{party}", party, factor, monkeypatch)
        added = {kind: names - product[kind] for kind, names in seen(settings).items()}
        assert added == {
            "contracts": {party},
            "models": {f"stg_{party}__offers", f"fct_{party}_offers"},
            "seeds": {f"ref_{party}_factors"},
            "suites": {f"fct_{party}_offers"},
            "views": {f"{party}_offers"},
            "sources": {party},
        }
        assert all(names >= product[kind] for kind, names in seen(settings).items())
    for party, settings in tenants.items():
        land_source(party, DAY, settings)
        build(DAY, settings, select=[f"+fct_{party}_offers", "ref_overdue_thresholds", "ref_codes"])
    for party, amounts in (("north", [20, 40]), ("south", [30, 60])):
        with duckdb.connect(str(tenants[party].warehouse), read_only=True) as connection:
            offered = connection.sql(f"select offered_amount from fct_{party}_offers order by all").fetchall()
            assert [amount for (amount,) in offered] == amounts
            assert connection.sql("select label from ref_overdue_thresholds").fetchall() == [(party,)]
            codes = connection.sql("select code_set, canonical from ref_codes where code = 'A'").fetchall()
            assert (f"{party}.state", "active") in codes and ("dept_risk.decision", "approved") in codes
            tables = connection.sql("select table_name from information_schema.tables").fetchall()
        (other,) = {"north", "south"} - {party}
        assert not [name for (name,) in tables if other in name]
        assert other not in {code_set.partition(".")[0] for code_set, _ in codes}
    assert seen(serve(Path(), tmp_path / "product_home", monkeypatch)) == product
    assert product_files() == before
