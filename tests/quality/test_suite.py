"""Suites are closed, typed, and report everything that is wrong at once."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from ingestion.foundation import Settings
from quality.check import Check
from quality.expectation import NAMES, VOCABULARY, Scope
from quality.failing_rows import locate_report
from quality.gate import audit
from quality.layout import Layout
from quality.override import judge_overrides
from quality.sets import SetsInvalid, check_sets
from quality.suite import Suite, SuitesInvalid, load_suites
from quality.wording import describe_decision

DAY = date(2026, 3, 2)
SHIPPED = Path(__file__).resolve().parents[2] / "quality" / "suites"
GOOD = """
table: fct_loans
gate: core
owner: loan_core
version: 1
description: Loans.
term: 借据
key: [loan_id]
checks:
  - name: amount_is_positive
    expectation: expect_column_values_to_be_between
    arguments: {column: principal_amount, min_value: 0}
    severity: fail
    because: a loan of nothing was never funded
    rule: M53
"""


def write(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_shipped_suites_are_valid_and_cover_the_warehouse() -> None:
    suites = {suite.table: suite for suite in load_suites(SHIPPED)}
    assert {"dim_customers", "fct_loans", "customer_360", "rec_loans__funder"} <= set(suites)
    histories = [suite for table, suite in suites.items() if table.endswith("_history")]
    bucketed = [suite for suite in histories if suite.layout is not None and suite.layout.bucket_by]
    assert len(bucketed) == 9
    for suite in bucketed:
        assert suite.layout is not None
        assert suite.layout.bucket_by == "customer_id"
        assert suite.layout.sort_by[0] == "customer_id"
        assert suite.layout.sort_by[2] == "_known_at"


def test_every_shipped_suite_says_what_its_table_is() -> None:
    silent = [path.name for path in SHIPPED.glob("*/*.yml") if "\nkind: " not in path.read_text(encoding="utf-8")]
    assert not silent
    kinds = {suite.kind for suite in load_suites(SHIPPED)}
    assert kinds >= {"history", "fact", "dimension", "daily", "reconciliation"}


def test_no_suite_repeats_what_its_kind_implies() -> None:
    implied = {"superseded_after_known", "one_current_version", "no_future_event", "no_future_day"}
    written = {check.name for suite in load_suites(SHIPPED) for check in suite.checks}
    assert not written & implied


def test_key_is_checked_without_being_written_down() -> None:
    suite = Suite(
        table="t", gate="core", owner="o", version=1, description="d", term="词", key=("a", "b"),
        layout=Layout(bucket_by="c", sort_by=("c",)),
    )  # fmt: skip
    assert [check.name for check in suite.all_checks] == [
        "a_is_present", "b_is_present", "c_is_present", "key_is_unique", "keeps_its_rows",
    ]  # fmt: skip


def test_all_errors_of_all_files_are_reported_at_once(tmp_path: Path) -> None:
    wrong = GOOD.replace("severity: fail", "severity: error").replace("rule: M53", "rule: M99")
    write(tmp_path, "core/fct_loans.yml", wrong)
    write(tmp_path, "core/other.yml", GOOD.replace("column: principal_amount", "colum: principal_amount"))
    write(tmp_path, "core/dup.yml", GOOD + "owner: twice\n")
    write(tmp_path, "core/near.yml", GOOD.replace("values_to_be_between", "value_to_be_between"))
    write(tmp_path, "metrics/fct_loans.yml", GOOD)
    with pytest.raises(SuitesInvalid) as caught:
        load_suites(tmp_path)
    lines = str(caught.value).splitlines()
    expected = {
        "core/fct_loans.yml: checks[amount_is_positive].severity": "write fail or warn",
        "core/fct_loans.yml: checks[amount_is_positive].rule": "names no rule: M99; write M",
        "core/other.yml: checks[amount_is_positive].arguments.column:": "is missing; add it",
        "core/other.yml: checks[amount_is_positive].arguments.colum:": "exists here; write column",
        "core/dup.yml: (file)": "key `owner` is given twice",
        "core/near.yml: checks[amount_is_positive].arguments": "expect_column_values_to_be_between",
        "metrics/fct_loans.yml: gate": "write metrics or move the file",
    }
    for start, contained in expected.items():
        assert any(line.startswith(start) and contained in line for line in lines), (start, lines)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("min_value: 0", "min_value: '{batchdate}'", "only {table}, {batch_date}"),
        ("min_value: 0", "mostly: 0.9", "has no bound"),
        ("min_value: 0", "min_value: 0, mostly: 1.5", "less than or equal to 1"),
        ("because: a loan of nothing was never funded", "because: short", "at least 10"),
        ("key: [loan_id]", "key: []", "at least 1"),
        ("checks:", "check:", "is not a key that exists here"),
    ],
)
def test_a_wrong_declaration_names_key_and_remedy(tmp_path: Path, old: str, new: str, problem: str) -> None:
    write(tmp_path, "core/fct_loans.yml", GOOD.replace(old, new))
    with pytest.raises(SuitesInvalid, match=problem.replace("{", r"\{").replace("}", r"\}")):
        load_suites(tmp_path)


def test_a_query_must_name_its_table() -> None:
    with pytest.raises(ValueError, match="does not name"):
        Check.model_validate(
            {
                "name": "n",
                "expectation": "unexpected_rows",
                "arguments": {"query": "select * from fct_loans"},
                "severity": "fail",
                "because": "it follows its table",
                "rule": "X63",
            }
        )


def test_version_follows_the_content() -> None:
    suite = Suite(table="t", gate="g", owner="o", version=3, description="d", term="词", key=("k",))
    other = suite.model_copy(update={"key": ("k2",)})
    assert suite.suite_version.startswith("3+")
    assert suite.suite_version != Suite.model_validate(other.model_dump()).suite_version


def test_vocabulary_is_what_great_expectations_knows() -> None:
    from datetime import date

    from great_expectations import expectations

    samples: dict[str, Any] = {
        "column": "a", "column_A": "a", "column_B": "b", "column_list": ("a", "b"), "column_set": ("a",),
        "value_set": (1,), "value": 1, "regex": "^a$", "min_value": 0, "query": "select 1 from {table}",
    }  # fmt: skip
    assert len(NAMES) == len(set(NAMES))
    for kind in VOCABULARY:
        arguments = kind(**{name: samples[name] for name in kind.model_fields if name in samples})
        built = getattr(expectations, arguments.gx_class)(**arguments.resolve(Scope("t", date(2026, 3, 2))))
        assert built.expectation_type.removesuffix("_expectation") == arguments.expectation


def test_importing_quality_does_not_import_great_expectations() -> None:
    modules = "quality, quality.gate, quality.publication, quality.warehouse, quality.gx_duckdb"
    forbidden = "('great_expectations', 'dbt', 'pandas', 'sklearn')"
    code = f"import sys, {modules}; print([m for m in {forbidden} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=SHIPPED.parents[1]
    )
    assert done.stdout.strip() == "[]"


RULES = "rule,family,severity,name_zh,name_en\nT900,tenant,H,本租户的规则,A rule of this tenant alone\n"


def test_a_rule_of_a_tenant_explains_itself_wherever_it_fails(
    settings: Settings, change: Callable[[str], None], book: None, capsys: pytest.CaptureFixture[str]
) -> None:
    suite = settings.suites / "core" / "fct_loans.yml"
    suite.write_text(suite.read_text(encoding="utf-8").replace("rule: M53", "rule: T900"), encoding="utf-8")
    with pytest.raises(SuitesInvalid, match=r"names no rule: T900; .* add it to seeds/ref_rules.csv with its words"):
        audit("core", DAY, settings)
    seeds = settings.home / "seeds"
    write(seeds, "ref_rules.csv", RULES)
    served = replace(settings, seeds=seeds)
    change("update fct_loans set principal_amount = 0 where loan_id = 'L00001'")
    verdicts = audit("core", DAY, served)
    folder = locate_report("core", DAY, served)
    said = [line for each in judge_overrides(verdicts, served) for line in describe_decision(each, served)]
    for text in (
        "\n".join(said),
        *((folder / name).read_text(encoding="utf-8") for name in ("index.html", "verdicts.md")),
    ):
        assert "本租户的规则" in text
        assert "A rule of this tenant alone" in text
    assert any(failure.rule == "T900" for verdict in verdicts for failure in verdict.failures)
    assert len(check_sets(served)) == 2


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        (RULES + RULES.splitlines()[1] + "\n", ": T900: is given more than once; take all but one out"),
        (RULES + "T901,tenant,H,一,two,three\n", ": T901: has not the columns rule,family,severity,name_zh,name_en"),
        (RULES + "T901,tenant,H,,\n", ": T901: has not the columns"),
        (RULES.replace("name_zh", "chinese"), " begins with rule,family,severity,chinese,name_en; begin it with rule,"),
    ],
)
def test_wrong_rows_of_a_tenant_are_problems(settings: Settings, rows: str, problem: str) -> None:
    seeds = settings.home / "seeds"
    write(seeds, "ref_rules.csv", rows)
    with pytest.raises(SetsInvalid) as caught:
        check_sets(replace(settings, seeds=seeds))
    assert f"ref_rules.csv{problem}" in str(caught.value)
