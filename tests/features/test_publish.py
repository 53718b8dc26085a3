# ruff: noqa: E501 (SQL)
"""Build, gate, serve, train and score over a small published warehouse, with the real gate and publication."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from polars.testing import assert_frame_equal

import features
from features.clock import find_scoring_instant
from features.commands import main
from features.publish import FeatureBuildRefused, build_feature_table, build_features
from features.scorecard import ScorecardNotTrainable, label_loans, score, scoring, train
from features.store import AcceptedByOverride, PurposeRefused, ScoringFrameMissing
from ingestion.foundation import Settings, list_files, load_settings
from quality.gate import audit_rows
from quality.layout import Layout
from quality.override import override_verdict
from quality.publication import PublicationRefused, audit_and_publish, publish
from quality.published import open_published
from quality.sets import SetsInvalid, SetUnknown
from quality.suite import Suite
from quality.verdict import read_verdicts

DAY = date(2026, 6, 30)
SHIPPED = Path(features.__file__).parent / "views"
HISTORIES = {
    "fct_applications_history": ("application_id", "applied_at"),
    "fct_decisions_history": ("application_id", "decided_at"),
    "fct_balance_movements_history": ("movement_id", "moved_at"),
    "fct_instalment_clearances_history": ("loan_id", "cleared_at"),
    "fct_compensations_history": ("compensation_id", "compensated_at"),
    "fct_consents_history": ("consent_event_id", "occurred_at"),
}

WORLD = """
set timezone = 'Asia/Shanghai';
create macro r(k, salt) as (hash(k || salt) % 1000000) / 1000000.0;
create macro known(at_) as date_trunc('day', at_) + interval 31 hour;
create table c as select 'C' || lpad(i::varchar, 4, '0') as customer_id, i from range(500) t(i);
create table dim_customers as
  select customer_id, case when i = 7 then date '2010-01-01' else date '1990-01-01' end as birth_date,
    '张*' as name_masked, '138****0000' as mobile_masked,
    case when i = 8 then timestamptz '2026-07-05 00:00+08' else timestamptz '2025-06-01 00:00+08' end as first_seen_at
  from c;
create table a as
  select 'A' || customer_id || '-' || n as application_id, customer_id,
    timestamptz '2025-07-01 00:00+08' + (r(customer_id, 'a' || n) * 350 * 86400)::bigint * interval 1 second as applied_at,
    (1000 + r(customer_id, 'm' || n) * 20000)::decimal(18,2) as requested_amount, 3 as term_count,
    (4000 + r(customer_id, 'i') * 9000)::decimal(18,2) as monthly_income_amount, 'app' as channel, 'p' as product_code, n
  from c, range(4) u(n);
create table fct_applications_history as
  select * exclude (n), known(applied_at) as _known_at,
    case when r(application_id, 's') < 0.1 then known(applied_at) + interval 9 day end as _superseded_at from a
  union all
  select * exclude (n) replace (requested_amount + 1 as requested_amount), known(applied_at) + interval 9 day, null from a
  where r(application_id, 's') < 0.1;
create table fct_decisions_history as
  select application_id, customer_id, applied_at + interval 3 hour as decided_at,
    case when r(application_id, 'd') < 0.7 then 'approved' else 'rejected' end as decision,
    requested_amount as approved_amount, (500 + r(application_id, 'k') * 200)::int as risk_score,
    known(applied_at) as _known_at, null::timestamptz as _superseded_at from a;
create table fct_loans as
  select 'L' || application_id as loan_id, application_id, customer_id, 'bank_a' as funder, 'p' as product_code,
    requested_amount as principal_amount, 3 as term_count, decided_at + interval 1 hour as funded_at,
    (decided_at + interval 1 hour)::date as booked_date, r(application_id, 'x') < 0.02 as is_reversed
  from fct_decisions_history join a using (application_id, customer_id) where decision = 'approved';
create table fct_instalments as
  select *, case when due_date + late > date '2026-06-30' then null else due_date + late end as cleared_date_before_compensation
  from (select loan_id, k + 1 as term_number, customer_id, (funded_at::date + (30 * (k + 1))::int) as due_date,
    (principal_amount / 3)::decimal(18,2) as principal_amount,
    case when r(customer_id, 'bad') < 0.25 then (r(loan_id, 't' || k) * 60)::int
         else (r(loan_id, 't' || k) * 6)::int - 4 end as late
  from fct_loans, range(3) u(k) where not is_reversed);
create table fct_instalment_clearances_history as
  select loan_id, term_number, customer_id, due_date, cleared_date_before_compensation + interval 12 hour as cleared_at,
    (cleared_date_before_compensation - due_date)::int as delay_days, principal_amount as instalment_amount,
    known(cleared_date_before_compensation + interval 12 hour) as _known_at, null::timestamptz as _superseded_at
  from fct_instalments where cleared_date_before_compensation is not null;
alter table fct_instalment_clearances_history alter cleared_at type timestamptz;
alter table fct_instalment_clearances_history alter _known_at type timestamptz;
create table fct_balance_movements_history as
  select loan_id || '-d' as movement_id, customer_id, loan_id, 'disbursed' as movement_type, funded_at as moved_at,
    principal_amount, known(funded_at) as _known_at, null::timestamptz as _superseded_at from fct_loans
  union all select loan_id || '-v', customer_id, loan_id, 'reversed', funded_at + interval 1 hour,
    -principal_amount, known(funded_at), null from fct_loans where is_reversed
  union all select loan_id || '-r' || term_number, customer_id, loan_id, 'repaid', cleared_at, -instalment_amount,
    _known_at, null from fct_instalment_clearances_history;
create table fct_compensations_history as
  select loan_id || '-c' as compensation_id, customer_id, loan_id, term_number, (due_date + 25)::timestamptz as compensated_at,
    principal_amount, 'compensation' as compensation_type, known((due_date + 25)::timestamptz) as _known_at,
    null::timestamptz as _superseded_at from fct_instalments where late > 25 and due_date + 25 < date '2026-06-30';
create table fct_consents_history as
  select customer_id || p || '+' as consent_event_id, customer_id, 'granted' as event, p as purpose, 'PLATFORM' as recipient,
    'separate' as consent_kind, timestamptz '2025-06-15 09:00+08' as occurred_at,
    case when i = 3 then date '2026-01-01' else date '9999-12-31' end as valid_to,
    timestamptz '2025-06-16 07:00+08' as _known_at, null::timestamptz as _superseded_at
  from c, (values ('LIMIT_MGMT'), ('MODEL_DEV')) v(p) where i <> 1
  union all
  select customer_id || p || '-', customer_id, 'withdrawn', p, 'PLATFORM', 'separate',
    case when i = 2 then timestamptz '2026-06-20 10:00+08' else timestamptz '2026-07-01 07:30+08' end, null,
    case when i = 2 then timestamptz '2026-06-21 07:00+08' else timestamptz '2026-07-02 07:00+08' end, null
  from c, (values ('LIMIT_MGMT'), ('MODEL_DEV')) v(p) where i in (2, 4);
alter table fct_instalments drop late;
"""
CURRENT = {
    "dim_customers": ("customer_id",),
    "fct_loans": ("loan_id",),
    "fct_instalments": ("loan_id", "term_number"),
}


def publish_warehouse(settings: Settings, batch_date: date, change: str = "") -> None:
    """Write the world as the warehouse file, with a suite for each table, then audit and publish it."""
    layouts = {name: Layout(sort_by=unique) for name, unique in CURRENT.items()}
    keys = dict(CURRENT)
    for name, (key, at) in HISTORIES.items():
        keys[name] = (key, *(["term_number"] if "clearances" in name else []), "_known_at")
        layouts[name] = Layout(bucket_by="customer_id", sort_by=("customer_id", at, "_known_at"))
    (settings.home / "suites" / "core").mkdir(parents=True, exist_ok=True)
    for name, layout in layouts.items():
        text = {"owner": "test", "version": 1, "description": "test", "term": "测试"}
        suite = Suite(table=name, gate="core", key=keys[name], layout=layout, **text)
        held = suite.model_dump(mode="json", exclude={"checks"}, exclude_none=True)
        (settings.home / "suites" / "core" / f"{name}.yml").write_text(json.dumps(held), encoding="utf-8")
    write_set(settings, "warehouse", gates=["core"], tables=sorted(layouts))
    settings.warehouse.unlink(missing_ok=True)
    with duckdb.connect(str(settings.warehouse)) as connection:
        connection.execute(WORLD + change).fetchall()
    audit_and_publish("warehouse", batch_date, settings)


def write_set(settings: Settings, name: str, **declared: Any) -> None:
    (settings.home / "sets").mkdir(parents=True, exist_ok=True)
    text = {"set": name, "owner": "test", "description": "A set of a test.", "term": "测试", **declared}
    (settings.home / "sets" / f"{name}.yml").write_text(json.dumps(text), encoding="utf-8")


def settings_at(home: Path, views: Path = SHIPPED) -> Settings:
    """The platform at a home that has its own suites and sets: those of features and scores are the product's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PLATFORM_HOME", str(home))
        product = load_settings()
    made = dataclasses.replace(product, views=views, suites=home / "suites", sets=home / "sets")
    if not (home / "sets").exists():
        (home / "suites" / "scores").mkdir(parents=True)
        (home / "sets").mkdir()
        for name, path in list_files(product.suites, "scores/*.yml").items():
            shutil.copyfile(path, home / "suites" / name)
        for name in ("features.yml", "scores.yml"):
            shutil.copyfile(list_files(product.sets, "*.yml")[name], home / "sets" / name)
    return made


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    made = settings_at(tmp_path_factory.mktemp("platform"))
    made.home.mkdir(exist_ok=True)
    publish_warehouse(made, DAY)
    build_features(DAY, made)
    return made


def read_only_copy(settings: Settings, tmp_path: Path) -> Settings:
    shutil.copytree(settings.home, tmp_path / "platform")
    return settings_at(tmp_path / "platform")


def test_the_scoring_frame_holds_every_eligible_consenting_customer_once(settings: Settings) -> None:
    frame = features.scoring_frame(DAY, settings)
    left_out = {
        "C0001": "never_granted",
        "C0002": "withdrawn",
        "C0003": "expired",
        "C0007": "under_18",
        "C0008": "not_yet_seen",
    }
    assert frame.height == 495
    assert not set(frame["customer_id"]).intersection(left_out)
    assert "C0004" in set(frame["customer_id"]), "withdrew before the scoring instant, but known after it"
    assert frame["as_of"].unique().to_list() == [find_scoring_instant(DAY)]
    counted = open_published("features", settings).scan("exclusions").collect()
    assert dict(counted.select("reason", "rows").rows()) == dict.fromkeys(sorted(left_out.values()), 1)


def test_the_scoring_frame_has_the_declared_types_and_nothing_prohibited(settings: Settings) -> None:
    schema = features.scoring_frame(DAY, settings).schema
    assert schema["requested_amount_avg_360d"] == pl.Decimal(18, 2)
    assert schema["apply_cnt_7d"] == pl.Int64
    assert schema["late_ratio_360d"] == pl.Float64
    assert not {"apply_reject_cnt_90d", "apply_night_ratio_90d", "_cleared_instal_cnt_360d"}.intersection(schema)


def test_a_training_frame_on_the_scoring_spine_equals_the_scoring_frame(settings: Settings) -> None:
    scoring = features.scoring_frame(DAY, settings)
    everybody = open_published("warehouse", settings).scan("dim_customers").select("customer_id").collect()
    spine = everybody.sample(fraction=1, shuffle=True, seed=1).with_columns(
        pl.lit(find_scoring_instant(DAY)).dt.convert_time_zone("UTC").alias("as_of")
    )
    training = features.training_frame(spine, purpose="LIMIT_MGMT", settings=settings)
    eligible = training.filter(~pl.col("customer_id").is_in(["C0007", "C0008"])).sort("customer_id")
    assert_frame_equal(
        eligible.drop("as_of").select(sorted(eligible.columns[2:])),
        scoring.drop("as_of").select(sorted(scoring.columns[2:])),
        check_exact=True,
    )


def test_features_equal_plain_sql_over_the_facts(settings: Settings) -> None:
    warehouse = open_published("warehouse", settings)
    files = {name: str(warehouse.path / name / "*.parquet") for name in HISTORIES}
    visible = "{0}.{1} < s.as_of and {0}._known_at <= s.as_of and ({0}._superseded_at is null or s.as_of < {0}._superseded_at)"
    a, m, k = (
        visible.format("a", "applied_at"),
        visible.format("m", "moved_at"),
        visible.format("k", "cleared_at"),
    )
    spine = features.scoring_frame(DAY, settings).select("customer_id", "as_of")
    with duckdb.connect() as connection:
        connection.register("spine", spine.to_arrow())
        expected = connection.sql(f"""
            select s.customer_id,
              (select count(*) from '{files["fct_applications_history"]}' a where a.customer_id = s.customer_id and {a}
                 and a.applied_at >= s.as_of - interval 90 day)::bigint as apply_cnt_90d,
              (select coalesce(sum(principal_amount), 0) from '{files["fct_balance_movements_history"]}' m
                 where m.customer_id = s.customer_id and {m} and movement_type <> 'compensated')::decimal(18,2) as bal_principal_cust,
              (select count(*) filter (delay_days > 0) / nullif(count(*), 0) from '{files["fct_instalment_clearances_history"]}' k
                 where k.customer_id = s.customer_id and {k} and k.cleared_at >= s.as_of - interval 360 day)::double as late_ratio_360d
            from spine s order by 1""").pl()
    got = features.scoring_frame(DAY, settings).select(expected.columns)
    assert_frame_equal(got, expected)
    assert expected["apply_cnt_90d"].sum() > 100


def test_building_again_is_the_same_version(settings: Settings, tmp_path: Path) -> None:
    copy = read_only_copy(settings, tmp_path)
    assert build_features(DAY, copy).version == open_published("features", settings).version


def test_another_date_than_the_published_is_refused(settings: Settings) -> None:
    with pytest.raises(FeatureBuildRefused, match="published warehouse is of 2026-06-30, not 2026-07-01"):
        build_features(date(2026, 7, 1), settings)
    with pytest.raises(ScoringFrameMissing, match="features are of 2026-06-30, not 2026-07-01"):
        features.scoring_frame(date(2026, 7, 1), settings)


def test_a_view_is_refused_for_a_purpose_it_does_not_serve(settings: Settings) -> None:
    spine = pl.DataFrame({"customer_id": ["C0001"], "as_of": [find_scoring_instant(DAY)]})
    with pytest.raises(PurposeRefused, match="compensation may not be used for MODEL_DEV"):
        features.training_frame(spine, ["compensation"], settings=settings)
    assert features.list_exclusions(spine, "LIMIT_MGMT", settings)["reason"].to_list() == ["never_granted"]


def test_training_asks_for_consent_when_the_processing_takes_place(settings: Settings) -> None:
    spine = pl.DataFrame({"customer_id": ["C0002", "C0005"], "as_of": [find_scoring_instant(date(2026, 3, 1))] * 2})
    now = features.training_frame(spine, settings=settings)
    then = features.training_frame(spine, settings=settings, consent_at="as_of")
    assert now["customer_id"].to_list() == ["C0005"]
    assert then["customer_id"].to_list() == ["C0002", "C0005"]


def test_the_gate_refuses_somebody_without_consent_and_values_out_of_bounds(settings: Settings, tmp_path: Path) -> None:
    from features import publish as building

    copy = read_only_copy(settings, tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(building, "judge", lambda spine, *_: pl.Series("reason", [None] * spine.height, dtype=pl.String))
        with pytest.raises(PublicationRefused, match="holds_nobody_without_consent") as caught:
            build_features(DAY, copy)
    assert "C0001" in str(caught.value)
    views = tmp_path / "views"
    shutil.copytree(SHIPPED, views)
    path = views / "compensation.yml"
    path.write_text(path.read_text().replace("minimum: 0", "maximum: 0"))
    with pytest.raises(PublicationRefused, match="compensated_cnt_is_in_range"):
        build_features(DAY, dataclasses.replace(copy, views=views))
    assert open_published("features", copy).is_fallback


EVERYBODY_WITHDREW = "update fct_consents_history set purpose = 'NOTHING' where purpose = 'LIMIT_MGMT';"


def test_a_population_that_vanishes_is_refused_and_accepted_by_an_override_only(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every consent for scoring is gone: each row that is left holds all its checks, for none is left."""
    copy, later = read_only_copy(settings, tmp_path), DAY + timedelta(days=1)
    publish_warehouse(copy, later, EVERYBODY_WITHDREW)
    with pytest.raises(PublicationRefused, match=r"scoring failed keeps_its_rows \(L17: 0 rows of 495") as caught:
        build_features(later, copy)
    assert "exposure failed keeps_its_rows" in str(caught.value)
    assert "exclusions failed" not in str(caught.value)
    assert open_published("features", copy).is_fallback
    for verdict in read_verdicts(copy, later, "features"):
        if not verdict.passed:
            reason = "the regulator has ended the purpose"
            override_verdict(verdict.verdict_id, "li.wei", reason, later, "2026-07-02T09:00:00+08:00", copy)
    build_features(later, copy)
    with pytest.warns(AcceptedByOverride) as said:
        assert features.scoring_frame(later, copy).is_empty()
    sentences = {str(warning.message) for warning in said}
    assert "scoring of the features was accepted by li.wei: the regulator has ended the purpose" in sentences
    assert open_published("features", copy).manifest["tables"]["scoring"]["quality_status"] == "OVERRIDDEN"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PLATFORM_HOME", str(copy.home))
        assert main(["frame", "--date", later.isoformat()]) == 0
    assert set(capsys.readouterr().err.splitlines()) == sentences


def test_scores_that_vanish_are_refused(settings: Settings, tmp_path: Path) -> None:
    copy = read_only_copy(settings, tmp_path)
    scores = pl.read_parquet(score(DAY, copy).path)
    scoring = features.scoring_frame(DAY, copy)
    rows = {"scores": scores.clear().to_arrow(), "scoring": scoring.clear().to_arrow()}
    with pytest.raises(PublicationRefused, match=r"scores failed keeps_its_rows \(L17: 0 rows of 495"):
        audit_and_publish("scores", DAY + timedelta(days=1), copy, rows=rows)


def test_an_exclusion_that_nobody_counted_is_refused(settings: Settings, tmp_path: Path) -> None:
    from features import publish as building

    copy = read_only_copy(settings, tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(building, "count_reasons", lambda *_: building._nobody_excluded())
        with pytest.raises(
            PublicationRefused, match=r"exclusions failed counts_are_complete.*scoring failed holds_the"
        ):
            build_features(DAY, copy)


def test_suites_of_looser_views_open_nothing(settings: Settings, tmp_path: Path) -> None:
    """The gate asks for today's suites itself: what was audited under other views is not audited."""
    from features import publish as building

    copy = read_only_copy(settings, tmp_path)
    handed: list[Mapping[str, Any]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(building, "audit_and_publish", lambda *_, rows, **_named: handed.append(rows))
        build_features(DAY, copy)
    broken = pl.DataFrame(handed[0]["compensation"]).with_columns(compensated_cnt=pl.lit(-1, pl.Int64))
    rows = {**handed[0], "compensation": broken.to_arrow()}
    with pytest.raises(PublicationRefused, match="compensation failed compensated_cnt_is_in_range"):
        audit_and_publish("features", DAY, copy, rows=rows)
    loose = tmp_path / "loose"
    shutil.copytree(SHIPPED, loose)
    path = loose / "compensation.yml"
    path.write_text(path.read_text().replace("minimum: 0", "minimum: -1"))
    audited = audit_rows("features", DAY, rows, dataclasses.replace(copy, views=loose))
    assert all(verdict.passed for verdict in audited)
    with pytest.raises(PublicationRefused, match="compensation was audited by suite"):
        publish("features", DAY, copy, rows=rows)


def test_labels_are_thirty_days_ever_of_matured_loans(settings: Settings) -> None:
    labelled = label_loans(DAY, settings)
    warehouse = open_published("warehouse", settings)
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'Asia/Shanghai'").fetchall()
        rows = connection.sql(f"""
            select l.loan_id, max(case when least(coalesce(i.cleared_date_before_compensation, date '9999-12-31'),
                l.funded_at::date + 90) - i.due_date >= 30 then 1 else 0 end)::bigint as label
            from '{warehouse.path}/fct_loans/*.parquet' l join '{warehouse.path}/fct_instalments/*.parquet' i using (loan_id)
            where not l.is_reversed and l.funded_at + interval 90 day <= timestamptz '2026-07-01 08:00+08' group by 1""").pl()
    assert_frame_equal(labelled.select("loan_id", "label").sort("loan_id"), rows.sort("loan_id"))
    assert 20 < labelled["label"].sum() < labelled.height


def test_scores_are_complete_explained_and_repeatable(settings: Settings) -> None:
    first = score(DAY, settings)
    assert first.trained
    content = first.path.read_bytes()
    again = score(DAY, settings)
    assert not again.trained
    assert again.path.read_bytes() == content
    scores = pl.read_parquet(first.path)
    assert scores["customer_id"].to_list() == features.scoring_frame(DAY, settings)["customer_id"].to_list()
    assert scores["score"].n_unique() > 5
    assert scores["probability_of_default"].is_between(0, 1, closed="none").all()
    model = json.loads((settings.published / "models" / f"{first.model_version}.json").read_text())
    names = {card["name"] for card in model["features"]}
    assert not names.intersection({"apply_reject_cnt_90d", "bal_principal_cust", "compensated_cnt"})
    reasons = set(scores["reason_1"].drop_nulls())
    assert reasons <= {f"{card['name']} {card['title']}" for card in model["features"]}
    assert model["metrics"]["holdout"]["auc"] > 0.6
    odds = (1 - scores["probability_of_default"]) / scores["probability_of_default"]
    exact = 600 + 20 * (odds / 50).log(2)
    assert abs(exact.to_numpy() - scores["score"].to_numpy()).max() <= 0.5 * (1 + len(names))


def test_a_model_trained_later_has_seen_the_future_of_an_earlier_date(settings: Settings, tmp_path: Path) -> None:
    copy = read_only_copy(settings, tmp_path)
    shutil.rmtree(copy.published / "models", ignore_errors=True)
    earlier, later = train(DAY - timedelta(days=1), copy), train(DAY + timedelta(days=1), copy)
    assert earlier["model_version"] != later["model_version"]
    assert score(DAY, copy).model_version == earlier["model_version"]


def test_scores_that_their_gate_refuses_are_not_published(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = read_only_copy(settings, tmp_path)
    good = score(DAY, copy)
    apply = scoring.apply
    monkeypatch.setattr(scoring, "apply", lambda *given: (apply(*given)[0] + 1000, *apply(*given)[1:]))
    with pytest.raises(PublicationRefused, match="score_is_on_the_scale"):
        score(DAY, copy)
    held = open_published("scores", copy)
    assert held.list_bucket_paths("scores") == [good.path]
    assert held.is_fallback


def test_training_twice_gives_the_same_model_and_too_little_history_says_so(settings: Settings) -> None:
    assert train(DAY, settings) == train(DAY, settings)
    with pytest.raises(ScorecardNotTrainable, match="choose a later cut-off"):
        train(date(2025, 10, 1), settings)


def test_a_later_warehouse_gives_an_earlier_spine_the_same_values(settings: Settings, tmp_path: Path) -> None:
    later = settings_at(tmp_path / "later")
    change = """
      insert into fct_applications_history select application_id || 'x', customer_id, applied_at, requested_amount,
        term_count, monthly_income_amount, channel, product_code, timestamptz '2026-07-02 07:00+08', null
        from fct_applications_history where hash(application_id) % 3 = 0 and _superseded_at is null;
      update fct_applications_history set _superseded_at = timestamptz '2026-07-02 07:00+08'
        where _superseded_at is null and hash(application_id) % 5 = 0 and _known_at < timestamptz '2026-07-01 00:00+08';
    """
    publish_warehouse(later, DAY + timedelta(days=1), change)
    scoring = features.scoring_frame(DAY, settings)
    spine = scoring.select("customer_id", "as_of")
    replayed = features.training_frame(spine, purpose="LIMIT_MGMT", settings=later, consent_at="as_of")
    assert_frame_equal(replayed.select(scoring.columns), scoring, check_exact=True)


def test_a_tenant_publishes_any_spine_on_its_own_legal_basis(settings: Settings, tmp_path: Path, world: Any) -> None:
    views = tmp_path / "views"
    views.mkdir()
    view = world.declare(
        [world.feature("n_90d", "count", "bigint", window="90d", when_empty=0)],
        view="account_history",
        entity="customer_id",
        source="fct_applications_history",
        event_time="applied_at",
        legal_basis="public_research",
        purposes=[],
    )
    (views / "account_history.yml").write_text(json.dumps(view))
    tenant = dataclasses.replace(read_only_copy(settings, tmp_path), views=views)
    as_of = datetime(2026, 3, 1, tzinfo=world.SHANGHAI)
    spine = pl.DataFrame({"customer_id": ["C0001", "C0009"], "as_of": [as_of] * 2, "loan_id": ["l1", "l2"]})
    suites = "features.suite:make_training_suites"
    arguments = {"views": ["account_history"]}
    write_set(tenant, "research", gates=["research"], rows="stage", suites=suites, arguments=arguments)
    publication = build_feature_table(spine, "research", tenant)
    assert publication.set_name == "research"
    frame = open_published("research", tenant).scan("frame").collect().sort("customer_id")
    assert frame.columns == ["customer_id", "as_of", "loan_id", "n_90d"]
    frame = frame.with_columns(pl.col("as_of").dt.convert_time_zone("Asia/Shanghai"))
    assert_frame_equal(frame, features.training_frame(spine, ["account_history"], settings=tenant))
    twice = pl.concat([spine, spine])
    with pytest.raises(PublicationRefused, match="key_is_unique"):
        build_feature_table(twice, "research", tenant)
    with pytest.raises(SetUnknown, match="no set researsh; the sets are .*; the nearest is research"):
        build_feature_table(spine, "researsh", tenant)
    with pytest.raises(SetsInvalid, match=r"features\.yml: suites: .* takes no rows of its own"):
        build_feature_table(spine, "features", tenant)


def test_commands_report_users_one_sentence(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("PLATFORM_HOME", str(settings.home))
    assert main(["check"]) == 0
    assert main(["describe", "exposure"]) == 0
    assert "客户在贷本金余额" in capsys.readouterr().out
    assert main(["frame", "--date", DAY.isoformat(), "--out", str(tmp_path / "frame.parquet")]) == 0
    assert pl.read_parquet(tmp_path / "frame.parquet").height == 495
    capsys.readouterr()
    for command, code in (
        (["build", "--date", "2026-07-01"], 1),
        (["describe", "nothing"], 2),
        (["score", "--date", "2026-07-01"], 1),
        (["frame"], 2),
    ):
        assert main(command) == code
        reported = capsys.readouterr().err
        assert "Traceback" not in reported
        assert reported.strip().endswith(".")


def test_a_trained_model_is_reported_once_and_in_words(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PLATFORM_HOME", str(settings.home))
    assert main(["train", "--date", DAY.isoformat()]) == 0
    said = capsys.readouterr()
    model = train(DAY, settings)
    metrics = model["metrics"]
    learned, held = metrics["training"], metrics["holdout"]
    assert said.err == ""
    assert said.out.splitlines() == [
        f"Trained {model['model_version']} on the loans that had matured at {DAY}.",
        f"    learned from:  {learned['rows']} loans, {learned['bad']} of them bad; "
        f"AUC {learned['auc']:.3f}, KS {learned['ks']:.3f}",
        f"    held out:      {held['rows']} loans, {held['bad']} of them bad; "
        f"AUC {held['auc']:.3f}, KS {held['ks']:.3f}",
        f"    left out:      {metrics['excluded_by_consent']} of {metrics['matured_loans']:,} matured loans, "
        "without consent for MODEL_DEV",
    ]


def test_a_training_frame_counts_whom_consent_leaves_out(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PLATFORM_HOME", str(settings.home))
    spine = pl.DataFrame({"customer_id": ["C0001", "C0002", "C0005"], "as_of": [find_scoring_instant(DAY)] * 3})
    spine.write_parquet(tmp_path / "spine.parquet")
    assert main(["frame", "--spine", str(tmp_path / "spine.parquet"), "--out", str(tmp_path / "out.parquet")]) == 0
    counted = "consent for MODEL_DEV: 1 of 3 rows permitted; excluded: 1 never_granted, 1 withdrawn\n"
    assert capsys.readouterr().err == counted


def test_stages_report_events(settings: Settings, tmp_path: Path) -> None:
    import structlog

    copy = read_only_copy(settings, tmp_path)
    shutil.rmtree(copy.published / "models", ignore_errors=True)
    try:
        with structlog.testing.capture_logs() as captured:
            build_features(DAY, copy)
            report = score(DAY, copy)
    finally:
        structlog.reset_defaults()  # or every later test of this process is listened to
    of_features = [one for one in captured if one["event"] in {"features_built", "model_trained", "customers_scored"}]
    day = DAY.isoformat()
    assert [{key: value for key, value in one.items() if key != "log_level"} for one in of_features] == [
        {"event": "features_built", "batch_date": day, "rows_in": 500, "rows": 495},
        {"event": "model_trained", "batch_date": day, "rows": of_features[1]["rows"], "version": report.model_version},
        {"event": "customers_scored", "batch_date": day, "rows": 495, "version": report.model_version},
    ]


def test_a_build_reports_what_it_did_and_nothing_of_its_libraries(settings: Settings) -> None:
    command = [sys.executable, "-m", "features", "build", "--date", DAY.isoformat()]
    environment = {**os.environ, "PLATFORM_HOME": str(settings.home)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert len(done.stdout.splitlines()) == 1 and done.stdout.startswith(("Published features", "Already published"))
    assert len(done.stderr.splitlines()) == 1 and done.stderr.startswith(f"features of {DAY}: 495 of ")
