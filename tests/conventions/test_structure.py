"""Conventions that no linter knows: names, descriptions, clocks, and what git may hold."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from ingestion.contract import load_registry
from ingestion.contract.registry import name_staging_model
from ingestion.foundation import PROJECT, load_settings
from ingestion.foundation.owners import read_owners
from ingestion.foundation.settings import HANDED_TO_DBT, VARIABLES
from quality.rules import read_rules
from quality.sets import load_sets
from quality.suite import load_suites

MODELS = PROJECT / "dbt_project" / "models"
GRAMMAR = {
    "staging": r"stg_[a-z0-9_]+__[a-z0-9_]+",
    "intermediate": r"int_[a-z0-9_]+",
    "platform": r"stg_platform__[a-z0-9_]+",
    "core": r"(dim|fct|bridge)_[a-z0-9_]+",
    "customer_360": r"customer_360",
    "metrics": r"mtr_[a-z0-9_]+__(daily|monthly)",
    "reconciliation": r"rec_[a-z0-9_]+__[a-z0-9_]+",
}
WALL_CLOCK = re.compile(r"\b(date\.today|datetime\.now|datetime\.utcnow|time\.time)\(|\b(now\(\)|current_date\b)")
EDGES = {"commands.py", "__main__.py"}  # a person asks now, and the audit row says when


def models() -> list[Path]:
    return sorted(MODELS.rglob("*.sql"))


def test_models_follow_the_name_grammar() -> None:
    assert len(models()) > 40
    wrong = [
        str(path.relative_to(MODELS))
        for path in models()
        if not re.fullmatch(GRAMMAR[path.relative_to(MODELS).parts[0]], path.stem)
    ]
    assert not wrong


def test_every_model_is_described_where_it_lives() -> None:
    described = {
        model["name"]: model["description"]
        for path in MODELS.rglob("_*.yml")
        for model in yaml.safe_load(path.read_text(encoding="utf-8")).get("models", [])
    }
    staging = {name_staging_model(dataset) for dataset in load_registry(load_settings({})).datasets}
    assert {path.stem for path in models()} - staging == set(described)
    assert all(len(text) > 30 for text in described.values())


def test_every_metric_and_reconciliation_has_one_owner_and_a_code_with_words() -> None:
    """Both are data for catalogues, not words of the description; the suite of a table names the same owner."""
    seeds = load_settings({}).seeds
    owners = {name for name, owner in read_owners(seeds)[0].items() if owner.kind != "draft"}
    described = {
        model["name"]: model.get("config", {}).get("meta", {})
        for path in MODELS.rglob("_*.yml")
        for model in yaml.safe_load(path.read_text(encoding="utf-8")).get("models", [])
    }
    suites = {suite.table: suite.owner for suite in load_suites(PROJECT / "quality" / "suites")}
    wanted = [path.stem for path in models() if path.stem.startswith(("mtr_", "rec_"))]
    assert len(wanted) > 8
    for name in wanted:
        meta = described[name]
        assert set(meta) == {"owner", "code"}, name
        assert meta["owner"] in owners and meta["owner"] == suites[name], name
        assert meta["code"] in read_rules(), name


def test_only_staging_reads_sources_and_one_reconciliation_counts_them() -> None:
    readers = [path.stem for path in models() if "source(" in path.read_text(encoding="utf-8")]
    assert [name for name in readers if not name.startswith("stg_")] == ["rec_rows__lake"]
    assert len(readers) > 1


def test_every_dataset_has_its_staging_model() -> None:
    for dataset in load_registry(load_settings({})).datasets:
        assert (MODELS / "staging" / dataset.source / f"{name_staging_model(dataset)}.sql").is_file()


def test_core_is_blind_to_partners() -> None:
    partners = [contract.source for contract in load_registry(load_settings({})).contracts.values()]
    named = [
        (path.stem, partner)
        for path in models()
        if path.relative_to(MODELS).parts[0] != "staging"
        for partner in partners
        if partner in path.read_text(encoding="utf-8")
    ]
    assert not named


def test_every_macro_of_the_linter_stands_for_a_macro_of_the_project() -> None:
    """A stub whose macro is gone would let a model that still calls it pass the linter."""
    settings = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
    stubs = settings["tool"]["sqlfluff"]["templater"]["jinja"]["macros"]
    macros = "\n".join(path.read_text(encoding="utf-8") for path in (PROJECT / "dbt_project" / "macros").rglob("*.sql"))
    written = {name: re.sub(r"\s", "", takes) for name, takes in re.findall(r"macro (\w+)\(([^)]*)\)", macros)}
    stubbed = {name: re.findall(r"macro (\w+)\(([^)]*)\)", text) for name, text in stubs.items()}
    assert len(stubbed) > 10
    assert {name for name in stubbed if name not in written} == set()
    wrong = {name for name, (found, *_) in stubbed.items() if re.sub(r"\s", "", found[1]) != written[name]}
    assert wrong == set(), "a stub takes what its macro takes"


def test_every_metric_and_core_table_is_gated() -> None:
    gated = {suite.table for suite in load_suites(PROJECT / "quality" / "suites")}
    published = {path.stem for folder in ("core", "metrics", "customer_360", "reconciliation")
                 for path in (MODELS / folder).glob("*.sql")}  # fmt: skip
    views = {name for declared in load_sets(load_settings({})).values() for name in declared.views}
    ungated = {"fct_decisions", "fct_funder_loans_history", "fct_funder_balances_history"}
    assert published - gated <= ungated | views, "a view reads tables that are gated"


@pytest.mark.parametrize("package", ["ingestion", "quality", "features", "dbt_project"])
def test_no_stage_reads_the_wall_clock(package: str) -> None:
    files = [path for kind in ("*.py", "*.sql") for path in (PROJECT / package).rglob(kind)]
    readers = [
        f"{path.relative_to(PROJECT)}:{number}"
        for path in files
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if WALL_CLOCK.search(line) and '"now"' not in line and path.name not in EDGES
    ]
    assert files and not readers


def test_the_repository_holds_no_data_and_names_no_host() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=PROJECT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    files = [PROJECT / name for name in listed.stdout.split("\0") if name and (PROJECT / name).is_file()]
    assert len(files) > 150
    data = [path.name for path in files if path.suffix in (".duckdb", ".parquet", ".db", ".sqlite", ".log", ".pyc")]
    large = [path.name for path in files if path.stat().st_size > 500_000]
    hosts = re.compile("|".join(("pypi" + r"\.org", "python" + "hosted", "registry" + r"\.npmjs")))
    named = [path.name for path in files if hosts.search(path.read_text(encoding="utf-8", errors="replace"))]
    assert (data, large, named) == ([], [], [])


def test_every_variable_of_the_platform_is_declared() -> None:
    """One list of names: what is read or set is a field of `Variables` or handed to dbt, and nothing else."""
    quoted = re.compile(r"""["'`$]\{?(PLATFORM_[A-Z_]+)""")
    files = [
        path
        for folder in ("dags", "dbt_project", "features", "ingestion", "notebooks", "quality", "tests")
        for path in (PROJECT / folder).rglob("*")
        if path.suffix in (".py", ".sql", ".yml", ".toml", ".md", ".ipynb") and path.name != "test_settings.py"
    ]
    files += [PROJECT / name for name in ("Makefile", "README.md", "README.zh-CN.md", ".ci/run")]
    named = {name for path in files for name in quoted.findall(path.read_text(encoding="utf-8"))}
    assert named >= {"PLATFORM_HOME", "PLATFORM_AIRFLOW_PORT", *HANDED_TO_DBT}
    assert named <= VARIABLES | HANDED_TO_DBT
    assert not VARIABLES & HANDED_TO_DBT
