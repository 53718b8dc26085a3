"""The environment and `tenant.toml` are closed: a typo is an error that names what was probably meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingestion.foundation import PROJECT, Settings, SettingsInvalid, list_files, load_settings, read_files
from ingestion.foundation.settings import HANDED_TO_DBT, VARIABLES, claim_home
from ingestion.identifiers import KINDS


@pytest.fixture
def tenant(tmp_path: Path) -> Path:
    folder = tmp_path / "tenant"
    folder.mkdir()
    return folder


def load(tenant: Path, declared: str, **variables: str) -> Settings:
    (tenant / "tenant.toml").write_text(declared, encoding="utf-8")
    return load_settings({"PLATFORM_HOME": str(tenant.parent / "home"), "PLATFORM_TENANT": str(tenant), **variables})


def problems(tenant: Path, declared: str, **variables: str) -> list[str]:
    """What is said of a tenant, a line a problem, without the path of its folder."""
    with pytest.raises(SettingsInvalid) as caught:
        load(tenant, declared, **variables)
    return str(caught.value).replace(f"{tenant}/", "").split("\n")


def add(tenant: Path, *names: str) -> None:
    for name in names:
        (tenant / name).parent.mkdir(parents=True, exist_ok=True)
        (tenant / name).write_text("x: 1\n", encoding="utf-8")


@pytest.mark.parametrize(
    ("declared", "problem"),
    [
        ('token_algoritm = "sm3"', "token_algoritm: is not a key that exists here; write token_algorithm."),
        ('token_algorithm = "sha_256"', "token_algorithm: is 'sha_256'; write sha256."),
        ('token_algorithm = "md5"', "token_algorithm: is 'md5'; write sha256 or sm3."),
        ('[vault]\ndeposit = "no"', "vault.deposit: is 'no'; write true or false."),
        ("[vault]\ndeposit = 0", "vault.deposit: is 0; write true or false."),
        ("[vault]\ndeposits = false", "vault.deposits: is not a key that exists here; write deposit."),
        ('[vault.purposes]\nCALLS = ["mobil"]', "vault.purposes.CALLS: is 'mobil'; write mobile."),
        ('[vault.purposes]\nCALLS = ["mobile_md5"]', "vault.purposes.CALLS: is 'mobile_md5'; write mobile."),
        ('[vault.purposes]\nCALLS = "mobile"', "vault.purposes.CALLS: is 'mobile'; write PURPOSE = [kinds]."),
        ("vault = true", "vault: is True; write a table [vault]."),
        ("entity = 7", "entity: is 7; write a column in lower snake."),
        ('entity = "Account"', "entity: is 'Account'; write a column in lower snake."),
        ('without = "views"', 'without: is \'views\'; write a list such as ["views", "contracts/bank_a.yml"].'),
        ('without = ["view"]', "without: view begins with no kind of file; write views."),
        (
            'without = ["models/stagin/bank_a"]',
            "without: models/stagin/bank_a is no part of the product here; write models/staging/bank_a.",
        ),
        (
            'without = ["models/platform"]',
            "without: models/platform is no part of the product here; take the entry out.",
        ),
        (
            'replaces = ["contracts/bankA.yml"]',
            "replaces: contracts/bankA.yml is no file of the product here; write contracts/bank_a.yml.",
        ),
        (
            'replaces = ["contracts/bank_a.yml"]',
            "replaces: contracts/bank_a.yml replaces nothing, for the tenant has no such file; add the file or take the"
            " entry out.",
        ),
        (
            'without = ["contracts"]\nreplaces = ["contracts/bank_a.yml"]',
            "replaces: contracts/bank_a.yml is no file of the product here; take the entry out.",
        ),
        (
            'extends = ["seeds/_seeds.yml"]',
            "extends: seeds/_seeds.yml is no seed of the product here; take the entry out.",
        ),
        (
            'extends = ["seeds/ref_codes.csv"]',
            "extends: seeds/ref_codes.csv extends nothing, for the tenant has no such file; add the file or take the"
            " entry out.",
        ),
        ('[sources]\nbank_aa = "x"', "sources.bank_aa: is no source of this tenant; write bank_a."),
        (
            '[sources]\nbank_a = "${NOT_SET}/x"',
            "sources.bank_a: names the variable NOT_SET, which is not set; set NOT_SET.",
        ),
        (
            '[sources]\nbank_a = "archive"',
            "sources.bank_a: is archive, which depends on where a command is run; write the whole path, such as"
            " /data/bank_a.",
        ),
        (
            '[sources]\nbank_a = "${PLATFORM_TOKEN_ALGORITHM}/archive"',
            "sources.bank_a: is sm3/archive, which depends on where a command is run; write the whole path, such as"
            " /data/bank_a, also in the variable.",
        ),
        (
            '[sources]\nbank_a = "/nowhere/archive"',
            "sources.bank_a: is /nowhere/archive, which is no folder; make it, or name the folder in which bank_a drops"
            " its files.",
        ),
        (
            '[sources]\nbank_a = "/etc/hostname"',
            "sources.bank_a: is /etc/hostname, which is no folder; make it, or name the folder in which bank_a drops"
            " its files.",
        ),
    ],
)
def test_a_wrong_word_in_tenant_toml(tenant: Path, declared: str, problem: str) -> None:
    assert problems(tenant, declared, PLATFORM_TOKEN_ALGORITHM="sm3") == [f"tenant.toml: {problem}"]


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        (
            "contracts/bank_a.yml",
            "contracts/bank_a.yml has the name of the product's contracts/bank_a.yml; write"
            ' replaces = ["contracts/bank_a.yml"] in tenant.toml, or rename the file.',
        ),
        (
            "models/intermediate/fct_loans.sql",
            "models/intermediate/fct_loans.sql has the name of the product's models/core/fct_loans.sql; rename it, or"
            " lay it at models/core/fct_loans.sql and name that in replaces.",
        ),
        (
            "seeds/ref_codes.csv",
            "seeds/ref_codes.csv has the name of the product's seeds/ref_codes.csv; write extends or"
            ' replaces = ["seeds/ref_codes.csv"] in tenant.toml, or rename the file.',
        ),
        ("contracts/bank_z.yaml", "contracts/bank_z.yaml is not read; lay it at contracts/<source>.yml."),
        ("suites/fct_z.yml", "suites/fct_z.yml is not read; lay it at suites/<gate>/<table>.yml."),
        (
            "models/fct_z.sql",
            "models/fct_z.sql is not read; lay it at models/<layer>/<model>.sql or .yml, with a layer of staging,"
            " intermediate, core, customer_360, metrics, reconciliation.",
        ),
        ("model/core/fct_z.sql", "model is a folder that nobody reads; rename it to models."),
        (
            "archive/2026/x.csv",
            "archive is a folder that nobody reads; move it out of the tenant, or lay its files in contracts, models,"
            " seeds, suites, sets, views.",
        ),
    ],
)
def test_a_file_in_the_wrong_place(tenant: Path, name: str, problem: str) -> None:
    add(tenant, name)
    assert problems(tenant, "") == [problem]


def test_the_platform_s_own_model_is_nobody_s(tenant: Path) -> None:
    add(tenant, "models/platform/stg_platform__deliveries.sql")
    (reported,) = problems(tenant, 'replaces = ["models/platform/stg_platform__deliveries.sql"]')[:1]
    assert reported.startswith("models/platform/stg_platform__deliveries.sql is not read;")


def test_all_problems_are_reported_at_once(tenant: Path) -> None:
    add(tenant, "contracts/bank_a.yml", "suite/core/fct_z.yml")
    declared = 'token_algoritm = "sm3"\n[vault]\ndeposit = "no"\npurpose = 1\n'
    reported = problems(tenant, declared, PLATFORM_TREADS="4", PLATFORM_THREADS="x", PLATFORM_AIRFLOW_PORT="a")
    assert sorted(line.split(";")[0] for line in reported) == [
        "PLATFORM_AIRFLOW_PORT is 'a'",
        "PLATFORM_THREADS is 'x'",
        "PLATFORM_TREADS is not a variable of the platform",
        "contracts/bank_a.yml has the name of the product's contracts/bank_a.yml",
        "suite is a folder that nobody reads",
        "tenant.toml: token_algoritm: is not a key that exists here",
        "tenant.toml: vault.deposit: is 'no'",
        "tenant.toml: vault.purpose: is not a key that exists here",
    ]


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("PLATFORM_TREADS", "set PLATFORM_THREADS."),
        ("PLATFORM_TENENT", "set PLATFORM_TENANT."),
        ("PLATFORM_LEDGER", "set PLATFORM_LEDGER_URL."),
        ("PLATFORM_X", f"unset it; known are {', '.join(sorted(VARIABLES))}."),
    ],
)
def test_a_variable_that_nobody_reads(name: str, remedy: str) -> None:
    with pytest.raises(SettingsInvalid) as caught:
        load_settings({name: "secret"})
    assert str(caught.value) == f"{name} is not a variable of the platform; {remedy}"


@pytest.mark.parametrize("name", sorted(HANDED_TO_DBT))
def test_what_the_platform_hands_to_dbt_is_nobody_s_to_set(name: str) -> None:
    with pytest.raises(SettingsInvalid) as caught:
        load_settings({name: "elsewhere"})
    assert str(caught.value) == f"{name} is set by the platform alone, when it runs dbt; unset it."


def test_a_source_may_lie_in_an_archive(tenant: Path) -> None:
    archive = tenant.parent / "archive"
    archive.mkdir()
    settings = load(tenant, '[sources]\nbank_a = "${ARCHIVE}"', ARCHIVE=str(archive))
    assert settings.locate_source("bank_a") == archive
    assert settings.locate_source("bank_b") == settings.landing / "bank_b"


def test_what_tools_leave_in_a_tenant_is_nobody_s(tenant: Path) -> None:
    add(tenant, ".git/config", "__pycache__/x.pyc", ".notes/x.md")
    load(tenant, "")


def test_a_file_that_is_no_toml_is_one_problem(tenant: Path) -> None:
    add(tenant, "contracts/bank_a.yml")
    (reported,) = problems(tenant, "without = [")
    assert reported.startswith("tenant.toml is not valid TOML (")


def test_an_empty_variable_is_not_set() -> None:
    assert load_settings(dict.fromkeys(VARIABLES, "")) == load_settings({})


def test_a_variable_decides_before_the_tenant(tenant: Path) -> None:
    assert load(tenant, 'token_algorithm = "sm3"').token_algorithm == "sm3"
    assert load(tenant, 'token_algorithm = "sm3"', PLATFORM_TOKEN_ALGORITHM="sha256").token_algorithm == "sha256"


def test_what_is_left_out_is_gone_and_what_is_replaced_is_the_tenant_s(tenant: Path) -> None:
    add(tenant, "contracts/bank_a.yml", "contracts/bank_z.yml", "models/core/fct_loans.sql", "seeds/ref_z.csv")
    settings = load(
        tenant,
        'without = ["views", "contracts/bank_b.yml", "models/metrics", "models/staging/bank_b"]\n'
        'replaces = ["contracts/bank_a.yml", "models/core/fct_loans.sql"]',
    )
    product = load_settings({})
    contracts = list_files(settings.contracts)
    assert list(contracts) == sorted({*list_files(product.contracts), "bank_z.yml"} - {"bank_b.yml"})
    assert contracts["bank_a.yml"] == tenant / "contracts" / "bank_a.yml"
    assert contracts["guarantor_c.yml"] == PROJECT / "ingestion" / "contracts" / "guarantor_c.yml"
    models = list_files(settings.models)
    assert models["core/fct_loans.sql"].is_relative_to(tenant)
    gone = {name for name in list_files(product.models) if name.startswith(("metrics/", "staging/bank_b/"))}
    assert gone and list(models) == sorted({*list_files(product.models)} - gone)
    assert list_files(settings.views) == {}
    assert list_files(settings.suites) == list_files(product.suites)
    assert {*list_files(settings.seeds)} == {*list_files(product.seeds), "ref_z.csv"}


def test_a_home_serves_one_tenant_and_no_other(tenant: Path, tmp_path: Path) -> None:
    home, other = tmp_path / "home", tmp_path / "other"
    other.mkdir()
    (other / "tenant.toml").write_text("", encoding="utf-8")
    claim_home(load(tenant, ""))
    claim_home(load(tenant, ""))
    with pytest.raises(SettingsInvalid) as caught:
        load_settings({"PLATFORM_HOME": str(home), "PLATFORM_TENANT": str(other)})
    assert str(caught.value) == (
        f"{home} is the home of {tenant} and not of {other}; set PLATFORM_TENANT={tenant}, or choose another"
        f" PLATFORM_HOME; where the tenant's folder was moved, remove {home}/tenant.txt."
    )
    with pytest.raises(SettingsInvalid, match=f"^{home} is the home of {tenant} and not of the product's own group;"):
        load_settings({"PLATFORM_HOME": str(home)})
    claim_home(load_settings({"PLATFORM_HOME": str(tmp_path / "group")}))
    with pytest.raises(SettingsInvalid, match="unset PLATFORM_TENANT, or choose another PLATFORM_HOME"):
        load_settings({"PLATFORM_HOME": str(tmp_path / "group"), "PLATFORM_TENANT": str(other)})


def test_an_extended_seed_has_the_rows_of_both(tenant: Path) -> None:
    (tenant / "seeds").mkdir()
    codes = tenant / "seeds" / "ref_codes.csv"
    shipped = (PROJECT / "dbt_project" / "seeds" / "ref_codes.csv").read_bytes()
    heading = shipped.partition(b"\n")[0]
    codes.write_bytes(heading + b"\nbank_z.state,A,active,in force\n")
    settings = load(tenant, 'extends = ["seeds/ref_codes.csv"]')
    assert read_files(settings.seeds)["ref_codes.csv"] == shipped + b"bank_z.state,A,active,in force\n"
    assert {*read_files(settings.seeds)} == {*list_files(load_settings({}).seeds)}
    codes.write_bytes(b"code,code_set\nA,bank_z.state\n")
    (reported,) = problems(tenant, 'extends = ["seeds/ref_codes.csv"]')
    heading_reported = f"seeds/ref_codes.csv has not the heading of what it extends; begin it with {heading.decode()}."
    assert reported == heading_reported
    twice = problems(tenant, 'extends = ["seeds/ref_codes.csv"]\nreplaces = ["seeds/ref_codes.csv"]')
    assert "tenant.toml: replaces: seeds/ref_codes.csv is no file of the product here; take the entry out." in twice


def test_patterns_pick_files_by_their_place(tmp_path: Path) -> None:
    add(tmp_path, "a/x.yml", "a/b/x.yml", "x.yml", "x.sql", ".hidden/x.yml", "__pycache__/x.yml")
    assert list(list_files(tmp_path)) == ["a/b/x.yml", "a/x.yml", "x.sql", "x.yml"]
    assert list(list_files(tmp_path, "*.yml")) == ["x.yml"]
    assert list(list_files(tmp_path, "*/*.yml")) == ["a/x.yml"]
    assert list(list_files(tmp_path, "**/x.yml")) == ["a/b/x.yml", "a/x.yml", "x.yml"]
    assert list(list_files(tmp_path, "a/**/*")) == ["a/b/x.yml", "a/x.yml"]


def test_the_vault_keeps_kinds_of_identifiers_only() -> None:
    purposes = load_settings({}).vault_purposes
    assert purposes and {kind for kinds in purposes.values() for kind in kinds} <= set(KINDS)
