"""Features of 354 real loans: recomputed from the raw file, blind to the loan date and after, and gated."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from features import training_frame
from features.point_in_time import evaluate
from features.registry import load_views
from features.source import FrameEvents
from features.values import convert_to_business_zone
from ingestion.foundation import BUSINESS_TIMEZONE, Settings
from quality.publication import open_published
from quality.verdict import are_recorded
from tests.acceptance.berka.build_features import FEATURE_SET, loan_spine, to_matrix

DAY = timedelta(days=1)
WINDOWS = (None, 360, 180, 90, 30)


@dataclass(frozen=True)
class Booking:
    """One raw transaction; amounts in haléř (1/100 koruna), positive into the account."""

    day: date
    amount: int
    balance: int
    operation: str
    symbol: str


def hundredths(text: str) -> int:
    return int(Fraction(text) * 100)


def read_day(text: str) -> date:
    return date(1900 + int(text[:2]), int(text[2:4]), int(text[4:]))


def read_table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="ascii", newline="") as handle:
        return list(csv.DictReader(handle, delimiter=";"))


@pytest.fixture(scope="module")
def bookings(real_data: Path) -> dict[str, list[Booking]]:
    """The raw transactions by account, read with Python alone."""
    found: dict[str, list[Booking]] = {}
    for row in read_table(real_data / "berka" / "en" / "trans_test.csv"):
        sign = 1 if row["type"] == "credit" else -1
        amount, balance = sign * hundredths(row["amount"]), hundredths(row["balance"])
        booking = Booking(read_day(row["date"]), amount, balance, row["operation"], row["k_symbol"])
        found.setdefault(row["account_id"], []).append(booking)
    return found


@pytest.fixture(scope="module")
def loans(real_data: Path) -> list[dict[str, str]]:
    return read_table(real_data / "berka" / "en" / "loan_test.csv")


@pytest.fixture(scope="module")
def frame(bank: Settings) -> pl.DataFrame:
    return (
        convert_to_business_zone(open_published(FEATURE_SET, bank).scan("frame"), "frame").collect().sort("account_id")
    )


def end_of_day_balances(bookings: list[Booking]) -> list[tuple[date, int]]:
    """Closing balances by following the chain: each booking starts where the one before ended, give or take 0.10."""
    closing, found = 0, []
    for day in sorted({booking.day for booking in bookings}):
        chained = follow(closing, [booking for booking in bookings if booking.day == day])
        assert chained is not None, "the bookings of a day form a chain"
        closing = chained
        found.append((day, closing))
    return found


def follow(opening: int, rest: list[Booking]) -> int | None:
    """The balance after all of `rest`, in an order in which each begins where the last ended; None if there is none."""
    if not rest:
        return opening
    for place, booking in enumerate(rest):
        if abs(booking.balance - booking.amount - opening) <= 10:
            end = follow(booking.balance, rest[:place] + rest[place + 1 :])
            if end is not None:
                return end
    return None


def brute_force(history: list[Booking], as_of: date) -> dict[str, float | int | None]:
    """Two dozen features of one account as of the beginning of a day, one plain sentence each."""
    seen = [booking for booking in history if booking.day < as_of]
    balances = [entry for entry in end_of_day_balances(history) if entry[0] < as_of]
    told: dict[str, float | int | None] = {"balance_last": balances[-1][1] / 100 if balances else None}
    for days in WINDOWS:
        name = "all" if days is None else f"{days}d"
        since = date.min if days is None else as_of - timedelta(days=days)
        within = [booking for booking in seen if booking.day >= since]
        held = [balance for day, balance in balances if day >= since]
        inflow = sum(booking.amount for booking in within if booking.amount > 0)
        outflow = -sum(booking.amount for booking in within if booking.amount < 0)
        told[f"transaction_cnt_{name}"] = len(within)
        told[f"inflow_amt_{name}"] = inflow / 100
        told[f"outflow_amt_{name}"] = outflow / 100
        told[f"outflow_inflow_ratio_{name}"] = (outflow / 100) / (inflow / 100) if inflow else None
        told[f"balance_min_{name}"] = min(held) / 100 if held else None
        told[f"balance_max_{name}"] = max(held) / 100 if held else None
        told[f"balance_mean_{name}"] = half_up(sum(held), len(held)) / 100 if held else None
        if days in (None, 90):
            out = [-booking.amount for booking in within if booking.amount < 0]
            told[f"outflow_max_{name}"] = max(out) / 100 if out else None
            told[f"outflow_cnt_{name}"] = len(out)
        if days in (None, 180, 30):
            cash = [-booking.amount for booking in within if booking.operation == "withdrawal in cash"]
            told[f"cash_withdrawal_cnt_{name}"] = len(cash)
            told[f"cash_withdrawal_amt_{name}"] = sum(cash) / 100
        if days in (None, 180):
            told[f"negative_balance_day_cnt_{name}"] = sum(balance < 0 for balance in held)
    for feature, symbol in (
        ("household_cnt_all", "household"),
        ("insurance_cnt_all", "insurrance payment"),
        ("sanction_interest_cnt_all", "sanction interest if negative balance"),
        ("interest_credited_cnt_all", "interest credited"),
    ):
        told[feature] = sum(booking.symbol == symbol for booking in seen)
    told["first_transaction_days"] = (as_of - min(booking.day for booking in seen)).days if seen else None
    told["last_transaction_days"] = (as_of - max(booking.day for booking in seen)).days if seen else None
    return told


def half_up(total: int, count: int) -> int:
    """Mean rounded half away from zero, in whole numbers."""
    size = (2 * abs(total) + count) // (2 * count)
    return size if total >= 0 else -size


def as_of_dates(spine: pl.DataFrame) -> list[date]:
    return [moment.astimezone(BUSINESS_TIMEZONE).date() for moment in spine["as_of"]]


def assert_recomputed(found: pl.DataFrame, bookings: dict[str, list[Booking]]) -> None:
    """Every value of every row equals the brute force, exactly."""
    exact = [name for name, kind in found.schema.items() if kind.is_decimal()]
    rows = found.with_columns(pl.col(exact).cast(pl.Float64)).iter_rows(named=True)
    for row, day in zip(rows, as_of_dates(found), strict=True):
        expected = brute_force(bookings[row["account_id"]], day)
        assert {name: row[name] for name in expected} == expected


def test_the_command_writes_one_row_a_loan(features_told, frame, loans):
    settings, printed = features_told
    written = pl.read_parquet(settings.home / "features.parquet")
    assert written["loan_id"].to_list() == sorted(int(loan["loan_id"]) for loan in loans)
    assert_frame_equal(written, to_matrix(frame))
    assert all(kind.is_numeric() for kind in written.dtypes)
    assert printed == f"Wrote {written.width - 1} features of 354 loans to {settings.home / 'features.parquet'}.\n"


def test_no_label_is_in_the_output(frame, bank):
    written = pl.read_parquet(bank.home / "features.parquet")
    assert not {"status", "outcome", "portfolio", "label"}.intersection([*frame.columns, *written.columns])
    assert "fct_account_loans" not in {view.source for view in load_views(bank.views).views}
    labels = (
        open_published("warehouse", bank).scan("fct_account_loans").group_by("portfolio", "outcome").len().collect()
    )
    assert sorted(labels.rows(), key=str) == [("test", None, 354), ("train", "bad", 46), ("train", "good", 282)]


def test_the_features_passed_their_gate(bank, frame):
    published = open_published(FEATURE_SET, bank)
    tables = published.manifest["tables"]
    assert {table["quality_status"] for table in tables.values()} == {"PASS"}
    verdicts = [table["verdict_id"] for table in tables.values()]
    assert are_recorded(verdicts, bank) == set(verdicts)
    assert published.scan("exclusions").collect().is_empty(), "public research data rests on no consent"
    views = load_views(bank.views).views
    assert {view.legal_basis for view in views} == {"public_research"}
    assert len([feature for view in views for feature in view.list_features()]) == 86
    lineage = published.scan("feature_versions").collect()
    assert dict(lineage.select("view", "feature_version").rows()) == {v.view: v.feature_version for v in views}


def test_features_equal_a_recomputation_from_the_raw_file(frame, bookings, loans):
    dates = {loan["loan_id"]: read_day(loan["date"]) for loan in loans}
    assert as_of_dates(frame) == [dates[loan] for loan in frame["loan_id"]]
    assert_recomputed(frame, bookings)


def test_deviations_equal_a_recomputation_up_to_rounding(frame, bookings):
    for row in frame.iter_rows(named=True):
        amounts = [booking.amount / 100 for booking in bookings[row["account_id"]]]
        balances = [balance / 100 for _, balance in end_of_day_balances(bookings[row["account_id"]])]
        assert math.isclose(row["transacted_std_all"], deviation(amounts), rel_tol=1e-12)
        assert math.isclose(row["balance_std_all"], deviation(balances), rel_tol=1e-12)


def deviation(values: list[float]) -> float:
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))


def test_static_attributes_equal_the_raw_files(frame, real_data, loans):
    folder = real_data / "berka" / "en"
    accounts = {row["account_id"]: row for row in read_table(folder / "account.csv")}
    clients = {row["client_id"]: row for row in read_table(folder / "client.csv")}
    holders: dict[str, list[dict[str, str]]] = {}
    for row in read_table(folder / "disp.csv"):
        holders.setdefault(row["account_id"], []).append(row)
    cards = {row["disp_id"]: read_day(row["issued"]) for row in read_table(folder / "card_test.csv")}
    with (folder / "district.csv").open(encoding="ascii", newline="") as handle:
        districts = {row[0]: row for row in list(csv.reader(handle, delimiter=";"))[1:]}
    found = {row["loan_id"]: row for row in frame.iter_rows(named=True)}
    for loan in loans:
        row, day = found[loan["loan_id"]], read_day(loan["date"])
        account, held = accounts[loan["account_id"]], holders[loan["account_id"]]
        number = next(clients[one["client_id"]]["birth_number"] for one in held if one["type"] == "OWNER")
        born = date(1900 + int(number[:2]), int(number[2:4]) % 50, int(number[4:]))
        issued = [cards[one["disp_id"]] for one in held if one["disp_id"] in cards and cards[one["disp_id"]] < day]
        district = districts[account["district_id"]]
        reported = [district[at] for at in ((12, 11) if day.year == 1998 else (11,)) if district[at] != "?"]
        assert [row["loan_amount"], row["loan_term_count"], row["loan_instalment_amount"]] == [
            int(loan["amount"]), int(loan["duration"]), int(loan["payments"])
        ]  # fmt: skip
        assert row["account_age_days"] == (day - read_day(account["creation_date"])).days
        assert row["owner_age_days"] == (day - born).days
        assert row["holder_cnt"] == len(held)
        assert row["statement_weekly_cnt"] == (account["frequency"] == "weekly issuance")
        assert (row["card_cnt_all"], row["card_issued_days"]) == (
            len(issued),
            (day - min(issued)).days if issued else None,
        )
        assert row["district_average_salary_amt"] == int(district[10])
        assert row["district_unemployment_rate"] == (Fraction(reported[0]) / 100 if reported else None)


def test_nothing_on_or_after_the_date_is_used(bank, frame, bookings):
    """The histories end before the loans, so the date is moved back into them: 90 days, and to the last day booked."""
    spine = loan_spine(bank)
    moved: list[Callable[[str, datetime], datetime]] = [
        lambda _, moment: moment - 90 * DAY,
        lambda account, _: midnight(max(booking.day for booking in bookings[account])),
        lambda account, _: midnight(max(booking.day for booking in bookings[account]) + DAY),
    ]
    for move in moved:
        moments = [move(account, moment) for account, moment in zip(spine["account_id"], spine["as_of"], strict=True)]
        shifted = spine.with_columns(pl.Series("as_of", moments, dtype=spine.schema["as_of"]))
        found = training_frame(shifted, ["account_flows", "account_balance"], "MODEL_DEV", bank)
        assert_recomputed(found, bookings)
    assert all(booking.day < day for account, day in zip(spine["account_id"], as_of_dates(spine), strict=True)
               for booking in bookings[account])  # fmt: skip


def midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=BUSINESS_TIMEZONE)


def test_planted_future_transactions_change_nothing(bank, frame):
    """A booking on the loan date and one later, for every loan, leave every feature as it was; one the day before
    does not.
    """
    spine = loan_spine(bank)
    view = load_views(bank.views).find("account_flows")
    held = open_published("warehouse", bank).scan("fct_account_transactions").select(view.source_columns).collect()
    names = [feature.name for feature in view.list_features("MODEL_DEV")]
    for days, is_seen in ((0, False), (30, False), (-1, True)):
        day = pl.col("as_of").dt.convert_time_zone(BUSINESS_TIMEZONE.key).dt.date() + pl.duration(days=days)
        planted = spine.select(
            "account_id",
            day.cast(pl.Date).alias("transacted_date"),
            (pl.col("as_of") + pl.duration(days=days + 1)).alias("_known_at"),
            pl.lit("outflow").alias("direction"),
            pl.lit("cash_withdrawal").alias("operation"),
            pl.lit("household").alias("purpose"),
            pl.lit(1).cast(held.schema["transacted_amount"]).alias("transacted_amount"),
            pl.lit(-1).cast(held.schema["signed_amount"]).alias("signed_amount"),
            pl.lit("ZZ").alias("counterparty_bank_code"),
        )
        events = pl.concat([held, planted.select(held.columns).cast(held.schema)])
        found = evaluate(spine, [view], lambda _, events=events: FrameEvents("planted", events), "MODEL_DEV")
        if is_seen:
            assert (found["transaction_cnt_30d"] == frame["transaction_cnt_30d"] + 1).all()
        else:
            assert_frame_equal(found.select(names), frame.select(names))


def test_a_loan_alone_gets_the_same_features(bank, frame):
    spine = loan_spine(bank)
    for place in range(0, spine.height, 36):
        alone = training_frame(spine[place : place + 1], None, "MODEL_DEV", bank)
        assert_frame_equal(alone, frame.filter(pl.col("loan_id") == spine["loan_id"][place]), check_column_order=False)
    backwards = training_frame(spine.reverse(), None, "MODEL_DEV", bank)
    assert_frame_equal(backwards.sort("account_id"), frame, check_column_order=False)
