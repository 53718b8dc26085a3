"""The hidden world adds up and nothing in it happens before its cause."""

from datetime import date, timedelta

import polars as pl
import pytest

from ingestion.simulation import GO_LIVE, World, build_world
from ingestion.simulation.horizon import FIRST_DATE, LAST_DATE
from ingestion.simulation.world import COLUMNS


@pytest.fixture(scope="module")
def world() -> World:
    return build_world(4_000, 20)


def payouts(world: World) -> pl.DataFrame:
    reversed_loans = world.loans.filter(pl.col("status_code") == "RV")["loan_no"]
    kept = ~pl.col("loan_no").is_in(reversed_loans.implode())
    return world.loans.filter((pl.col("status_code") == "RP") & kept)


def current_plan(world: World) -> pl.DataFrame:
    return world.plan_terms.sort("plan_version").unique(["loan_no", "term_no"], keep="last")


def cleared_terms(world: World) -> pl.DataFrame:
    paid = world.repayments.group_by("loan_no", "term_no").agg(
        pl.col("principal_amount_fen", "interest_amount_fen", "fee_amount_fen").sum().name.prefix("paid_"),
        pl.col("paid_at").max().dt.date().alias("last_paid_date"),
    )
    return current_plan(world).join(paid, on=["loan_no", "term_no"])


def test_same_seed_builds_the_same_world(world: World) -> None:
    again, other = build_world(4_000, 20), build_world(4_000, 21)
    for name in COLUMNS:
        assert getattr(again, name).equals(getattr(world, name)), name
        assert not getattr(other, name).equals(getattr(world, name)), name


def test_keys_are_unique(world: World) -> None:
    keys = {
        "persons": ["person_id"],
        "leads": ["lead_id"],
        "applications": ["application_no"],
        "decisions": ["application_no"],
        "loans": ["loan_no", "status_code"],
        "plan_terms": ["loan_no", "term_no", "plan_version"],
        "repayments": ["repay_no", "term_no"],
        "compensations": ["comp_no", "term_no"],
        "consents": ["event_no"],
    }
    for name, key in keys.items():
        frame = getattr(world, name)
        assert frame.height == frame.unique(key).height, name
        assert frame.select(key).null_count().row(0) == (0,) * len(key), name
    assert world.persons["cert_no"].is_unique().all()


def test_plans_sum_to_the_principal(world: World) -> None:
    sums = world.plan_terms.group_by("loan_no", "plan_version").agg(pl.col("principal_amount_fen").sum().alias("sum"))
    loans = world.loans.filter(pl.col("status_code") == "RP")
    joined = sums.join(loans, on="loan_no")
    assert joined.height == sums.height
    assert (joined["sum"] == joined["principal_amount_fen"]).all()


def test_customers_pay_exactly_what_is_due(world: World) -> None:
    terms = cleared_terms(world).with_columns(
        full=pl.col("paid_principal_amount_fen") == pl.col("principal_amount_fen")
    )
    for part in ("principal", "interest", "fee"):
        assert (terms[f"paid_{part}_amount_fen"] <= terms[f"{part}_amount_fen"]).all()
    full = terms.filter("full")
    assert (full["paid_interest_amount_fen"] == full["interest_amount_fen"]).all()
    assert (full["paid_fee_amount_fen"] == full["fee_amount_fen"]).all()
    assert terms.filter(~pl.col("full")).height > 0
    assert min(world.repayments.select(pl.col("^.*_fen$").min()).row(0)) >= 0


def closing_balances(movements: pl.DataFrame) -> pl.DataFrame:
    """Balance of each loan after each day, with the day's payout before its payments."""
    days = movements.group_by("loan_no", "moved_date").agg(pl.col("change_fen").sum()).sort("loan_no", "moved_date")
    return days.with_columns(balance_fen=pl.col("change_fen").cum_sum().over("loan_no"))


def test_balances_roll_forward_to_zero(world: World) -> None:
    """Both views end where they must; they differ by what was compensated and not recovered, to the fen."""
    sign = pl.when(pl.col("status_code") == "RV").then(-1).otherwise(1)
    lent = world.loans.select(
        "loan_no",
        pl.col("posted_at").dt.date().alias("moved_date"),
        (pl.col("principal_amount_fen") * sign).alias("change_fen"),
    )
    repaid = world.repayments.select(
        "loan_no",
        pl.col("paid_at").dt.date().alias("moved_date"),
        (-pl.col("principal_amount_fen")).alias("change_fen"),
    )
    customer = closing_balances(pl.concat([lent, repaid]))
    fund = closing_balances(world.fund_movements)
    assert customer["balance_fen"].min() == 0
    assert fund["balance_fen"].min() == 0
    key = ["loan_no", "term_no"]
    first_comp = world.compensations.select(*key, "compensated_date", pl.col("principal_amount_fen").alias("comp"))
    recovered = world.repayments.join(first_comp, on=key).filter(
        pl.col("paid_at").dt.date() > pl.col("compensated_date")
    )
    assert recovered.height > 0
    receivable = pl.concat(
        [
            first_comp.select("loan_no", pl.col("comp").alias("receivable_fen")),
            recovered.select("loan_no", (-pl.col("principal_amount_fen")).alias("receivable_fen")),
        ]
    )
    compared = (
        customer.group_by("loan_no")
        .agg(pl.col("balance_fen").last().alias("customer_fen"))
        .join(fund.group_by("loan_no").agg(pl.col("balance_fen").last().alias("fund_fen")), on="loan_no")
        .join(receivable.group_by("loan_no").agg(pl.col("receivable_fen").sum()), on="loan_no", how="left")
        .with_columns(pl.col("receivable_fen").fill_null(0))
    )
    assert compared.height == world.loans["loan_no"].n_unique()
    assert (compared["customer_fen"] - compared["fund_fen"] == compared["receivable_fen"]).all()
    assert (compared["receivable_fen"] > 0).any()


def test_compensation_covers_what_was_unpaid_at_its_day(world: World) -> None:
    comp = world.compensations.join(current_plan(world), on=["loan_no", "term_no"], suffix="_due").join(
        world.repayments.select("loan_no", "term_no", "paid_at", pl.col("principal_amount_fen").alias("paid")),
        on=["loan_no", "term_no"],
        how="left",
    )
    before = pl.col("paid_at").dt.date() <= pl.col("compensated_date")
    unpaid = comp.group_by("comp_no", "term_no").agg(
        pl.col("principal_amount_fen").first(),
        (pl.col("principal_amount_fen_due").first() - pl.col("paid").filter(before).sum()).alias("unpaid"),
        (pl.col("compensated_date").first() - pl.col("due_date").first()).dt.total_days().alias("dpd"),
        pl.col("comp_type_code").first(),
        pl.col("loan_no").first(),
    )
    assert (unpaid["principal_amount_fen"] == unpaid["unpaid"]).all()
    assert (unpaid.filter(pl.col("comp_type_code") == "01")["dpd"] == 20).all()
    buyback = unpaid.filter(pl.col("comp_type_code") == "02").group_by("comp_no").agg(pl.col("dpd").max())
    assert (buyback["dpd"] <= 60).all()
    guaranteed = world.loans.filter(pl.col("guarantor_code") == "GTC")["loan_no"].implode()
    assert unpaid["loan_no"].is_in(guaranteed).all()
    bought = world.compensations.filter(pl.col("comp_type_code") == "02")["loan_no"].unique()
    left = world.fund_movements.group_by("loan_no").agg(pl.col("change_fen").sum())
    assert (left.filter(pl.col("loan_no").is_in(bought.implode()))["change_fen"] == 0).all()


def test_causes_come_before_effects(world: World) -> None:
    applications = world.applications.join(world.decisions, on="application_no", how="left")
    assert (applications["applied_at"] <= applications["decided_at"]).drop_nulls().all()
    brought = world.applications.drop_nulls("lead_id").join(world.leads, on="lead_id")
    assert brought.height == world.applications["lead_id"].count()
    assert (brought["clicked_at"] < brought["applied_at"]).all()
    assert (brought["person_id"] == brought["person_id_right"]).all()
    grants = world.consents.filter(pl.col("event_code") == "G")
    for purpose in ("UNDERWRITE", "SERVICING", "MODEL_DEV", "LIMIT_MGMT"):
        granted = world.applications.join(
            grants.filter(pl.col("purpose_code") == purpose), on="person_id", how="left", suffix="_consent"
        )
        assert (granted["occurred_at"] <= granted["applied_at"]).all()
        assert granted["occurred_at"].null_count() == 0
    withdrawn = world.consents.filter(pl.col("event_code") == "W").join(grants, on=["person_id", "purpose_code"])
    assert withdrawn.height == world.consents.filter(pl.col("event_code") == "W").height > 0
    assert (withdrawn["occurred_at"] > withdrawn["occurred_at_right"]).all()
    funded = world.loans.join(world.decisions, on="application_no")
    assert funded.height == world.loans.height
    assert (funded["decided_at"] <= funded["funded_at"]).all()
    assert (funded["decision_code"] == "A").all()
    assert (funded["principal_amount_fen"] <= funded["approved_amount_fen"]).all()
    assert (funded["funded_at"].dt.date() == funded["posted_at"].dt.date()).all()
    paid = world.repayments.join(payouts(world), on="loan_no")
    assert paid.height == world.repayments.height
    assert (paid["paid_at"] > paid["funded_at"]).all()
    assert (current_plan(world).join(payouts(world), on="loan_no").select(pl.col("due_date") > pl.col("value_date")))[
        "due_date"
    ].all()


def test_everything_lies_within_the_horizon(world: World) -> None:
    for frame, clock in (
        (world.applications, "applied_at"),
        (world.decisions, "decided_at"),
        (world.loans, "posted_at"),
        (world.plan_terms, "posted_at"),
        (world.repayments, "posted_at"),
        (world.consents, "occurred_at"),
    ):
        days = frame[clock].dt.date()
        assert days.min() >= FIRST_DATE - timedelta(days=1), clock  # type: ignore[operator]
        assert days.max() <= LAST_DATE, clock  # type: ignore[operator]


def test_cut_off_loans_are_booked_the_next_day(world: World) -> None:
    booked = payouts(world).with_columns(day=pl.col("funded_at").dt.date(), time=pl.col("funded_at").dt.time())
    late = booked.filter(pl.col("booked_date") != pl.col("day"))
    assert late.height > 100
    assert (late["booked_date"] == late["day"].dt.offset_by("1d")).all()
    assert (late["value_date"] == late["booked_date"]).all()
    assert (late["time"].cast(pl.String) >= "23:45:00").all()
    assert late.group_by("day").len()["len"].max() == 2
    assert world.loans.filter(pl.col("status_code") == "RV").height > 0


def test_shares_are_as_designed(world: World) -> None:
    history = world.applications.filter(pl.col("applied_at").dt.date() < GO_LIVE)
    assert 1.5 < history.height / 4_000 < 1.7
    codes = dict(world.decisions["decision_code"].value_counts(normalize=True).iter_rows())
    assert 0.60 < codes["A"] < 0.70
    assert 0.04 < codes["C"] < 0.06
    assert world.applications.height > world.decisions.height
    assert 0.12 < _bad_rate(world) < 0.18


def _bad_rate(world: World) -> float:
    """Share of loans that reach 30 days past due within 120 days of funding."""
    observed = payouts(world).filter(pl.col("funded_at").dt.date() <= LAST_DATE - timedelta(days=120))
    cleared = cleared_terms(world).filter(pl.col("paid_principal_amount_fen") == pl.col("principal_amount_fen"))
    terms = (
        current_plan(world)
        .join(observed.select("loan_no", "funded_at"), on="loan_no")
        .join(cleared.select("loan_no", "term_no", "last_paid_date"), on=["loan_no", "term_no"], how="left")
        .with_columns(thirty=pl.col("due_date") + timedelta(days=30))
    )
    bad = terms.filter(
        (pl.col("thirty") <= pl.col("funded_at").dt.date() + timedelta(days=120))
        & (pl.col("last_paid_date").fill_null(date(9999, 1, 1)) >= pl.col("thirty"))
    )
    return bad["loan_no"].n_unique() / observed.height


def test_past_behaviour_reports_the_risk(world: World) -> None:
    late = (
        world.repayments.filter(pl.col("repay_type_code").is_in(["0", "1", "4"]))
        .join(world.loans.filter(pl.col("status_code") == "RP"), on="loan_no")
        .group_by("person_id")
        .agg((pl.col("repay_type_code") == "1").mean().alias("late_share"))
        .join(world.persons, on="person_id")
    )
    correlation = late.select(pl.corr("late_share", "latent_risk", method="spearman")).item()
    scores = world.applications.join(world.decisions, on="application_no").join(world.persons, on="person_id")
    assert correlation > 0.2
    assert scores.select(pl.corr("risk_score", "latent_risk")).item() < -0.6
    assert scores.select(pl.corr("monthly_income_amount_fen", "latent_risk", method="spearman")).item() < -0.4


def test_hand_made_worlds_are_checked() -> None:
    assert World.assemble().loans.height == 0
    with pytest.raises(ValueError, match=r"loans\.colour"):
        World.assemble(loans=pl.DataFrame({"colour": ["red"]}))
    with pytest.raises(ValueError, match="plan_terms needs posted_at"):
        World.assemble(plan_terms=pl.DataFrame({"loan_no": ["L1"]}))


def test_one_customer_is_enough() -> None:
    for seed in range(3):
        assert build_world(1, seed).persons.height >= 1
