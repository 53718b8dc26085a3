"""The hidden world: everything that happens in the simulated group, whoever gets to know it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date
from functools import cached_property

import polars as pl

from ingestion.simulation.advertising import draw_ad_costs, draw_clicks
from ingestion.simulation.applications import draw_applications
from ingestion.simulation.channelling import draw_channel_payments
from ingestion.simulation.collecting import draw_contacts, list_cases
from ingestion.simulation.consenting import draw_consents
from ingestion.simulation.lending import append_reversals, draw_loans
from ingestion.simulation.persons import draw_leads, draw_persons
from ingestion.simulation.plans import build_plan
from ingestion.simulation.querying import draw_bureau_reports
from ingestion.simulation.registering import draw_logins, draw_registrations
from ingestion.simulation.repaying import draw_course, list_compensations, list_repayments, replan_settled
from ingestion.simulation.serving import draw_tickets, list_complaints

MOMENT = pl.Datetime("us")
COLUMNS: Mapping[str, Mapping[str, pl.DataType]] = {
    "persons": {
        "person_id": pl.String(),
        "cert_no": pl.String(),
        "customer_name": pl.String(),
        "mobile": pl.String(),
        "bank_card": pl.String(),
        "is_customer": pl.Boolean(),
        "latent_risk": pl.Float64(),
        "lateness_habit": pl.Float64(),
        "monthly_income_amount_fen": pl.Int64(),
    },
    "leads": {
        "lead_id": pl.String(),
        "person_id": pl.String(),
        "mobile": pl.String(),
        "channel_code": pl.String(),
        "clicked_at": MOMENT,
        "campaign": pl.String(),
        "cost_fen": pl.Int64(),
        "device_os": pl.String(),
    },
    "clicks": {
        "click_no": pl.String(),
        "lead_id": pl.String(),
        "mobile": pl.String(),
        "clicked_at": MOMENT,
        "platform_code": pl.String(),
        "campaign": pl.String(),
        "ad_copy": pl.String(),
        "cost_fen": pl.Int64(),
        "budget_amount_fen": pl.Int64(),
        "commission_per_ten_thousand": pl.Int64(),
    },
    "ad_costs": {
        "report_date": pl.Date(),
        "closed_date": pl.Date(),
        "campaign_code": pl.String(),
        "campaign_name": pl.String(),
        "impression_count": pl.Int64(),
        "click_count": pl.Int64(),
        "cost_cents": pl.Int64(),
    },
    "registrations": {
        "user_id": pl.String(),
        "person_id": pl.String(),
        "mobile": pl.String(),
        "registered_at": MOMENT,
        "channel_code": pl.String(),
        "device_id": pl.String(),
        "device_os": pl.String(),
        "device_model": pl.String(),
        "app_store": pl.String(),
        "app_version": pl.String(),
    },
    "logins": {
        "login_no": pl.String(),
        "user_id": pl.String(),
        "logged_in_at": MOMENT,
        "device_id": pl.String(),
        "method_code": pl.String(),
        "result_code": pl.String(),
        "ip_address": pl.String(),
        "city": pl.String(),
    },
    "applications": {
        "application_no": pl.String(),
        "person_id": pl.String(),
        "cert_no": pl.String(),
        "customer_name": pl.String(),
        "mobile": pl.String(),
        "channel_code": pl.String(),
        "lead_id": pl.String(),
        "product_code": pl.String(),
        "requested_amount_fen": pl.Int64(),
        "term_count": pl.Int32(),
        "monthly_income_amount_fen": pl.Int64(),
        "is_test": pl.Boolean(),
        "applied_at": MOMENT,
    },
    "decisions": {
        "application_no": pl.String(),
        "decision_code": pl.String(),
        "approved_amount_fen": pl.Int64(),
        "risk_score": pl.Int32(),
        "strategy_version": pl.String(),
        "reason_code": pl.String(),
        "decided_at": MOMENT,
    },
    "loans": {
        "loan_no": pl.String(),
        "application_no": pl.String(),
        "person_id": pl.String(),
        "cert_no": pl.String(),
        "customer_name": pl.String(),
        "fund_loan_no": pl.String(),
        "funder_code": pl.String(),
        "guarantor_code": pl.String(),
        "product_code": pl.String(),
        "repay_method_code": pl.String(),
        "principal_amount_fen": pl.Int64(),
        "term_count": pl.Int32(),
        "nominal_annual_rate_percent": pl.Decimal(9, 4),
        "funded_at": MOMENT,
        "booked_date": pl.Date(),
        "value_date": pl.Date(),
        "status_code": pl.String(),
        "posted_at": MOMENT,
    },
    "plan_terms": {
        "loan_no": pl.String(),
        "term_no": pl.Int32(),
        "plan_version": pl.Int32(),
        "due_date": pl.Date(),
        "principal_amount_fen": pl.Int64(),
        "interest_amount_fen": pl.Int64(),
        "fee_amount_fen": pl.Int64(),
        "posted_at": MOMENT,
    },
    "repayments": {
        "repay_no": pl.String(),
        "loan_no": pl.String(),
        "term_no": pl.Int32(),
        "paid_at": MOMENT,
        "principal_amount_fen": pl.Int64(),
        "interest_amount_fen": pl.Int64(),
        "fee_amount_fen": pl.Int64(),
        "penalty_amount_fen": pl.Int64(),
        "payment_method_code": pl.String(),
        "repay_type_code": pl.String(),
        "posted_at": MOMENT,
    },
    "compensations": {
        "comp_no": pl.String(),
        "loan_no": pl.String(),
        "fund_loan_no": pl.String(),
        "term_no": pl.Int32(),
        "compensated_date": pl.Date(),
        "principal_amount_fen": pl.Int64(),
        "interest_amount_fen": pl.Int64(),
        "comp_type_code": pl.String(),
    },
    "cases": {
        "case_no": pl.String(),
        "version": pl.Int32(),
        "loan_no": pl.String(),
        "stage_code": pl.String(),
        "agency_code": pl.String(),
        "opened_date": pl.Date(),
        "closed_date": pl.Date(),
        "assigned_until_date": pl.Date(),
        "overdue_amount_fen": pl.Int64(),
        "overdue_term_count": pl.Int32(),
        "commission_per_mille": pl.Int64(),
        "changed_date": pl.Date(),
    },
    "contacts": {
        "contact_no": pl.String(),
        "case_no": pl.String(),
        "contacted_at": MOMENT,
        "channel_code": pl.String(),
        "agent_no": pl.String(),
        "result_code": pl.String(),
        "duration_seconds": pl.Int64(),
        "promised_date": pl.Date(),
        "promised_amount_fen": pl.Int64(),
        "remark": pl.String(),
    },
    "tickets": {
        "ticket_no": pl.String(),
        "person_id": pl.String(),
        "cert_no": pl.String(),
        "customer_name": pl.String(),
        "mobile": pl.String(),
        "channel_code": pl.String(),
        "category_code": pl.String(),
        "content": pl.String(),
        "opened_at": MOMENT,
        "closed_at": MOMENT,
        "satisfaction_score": pl.Int64(),
        "status_code": pl.String(),
        "changed_at": MOMENT,
    },
    "complaints": {
        "complaint_no": pl.String(),
        "ticket_no": pl.String(),
        "person_id": pl.String(),
        "cert_no": pl.String(),
        "customer_name": pl.String(),
        "mobile": pl.String(),
        "received_date": pl.Date(),
        "source_code": pl.String(),
        "category_code": pl.String(),
        "demanded_amount_fen": pl.Int64(),
        "description": pl.String(),
        "reply_due_date": pl.Date(),
    },
    "channel_payments": {
        "channel_txn_no": pl.String(),
        "original_txn_no": pl.String(),
        "repay_no": pl.String(),
        "loan_no": pl.String(),
        "person_id": pl.String(),
        "payer_name": pl.String(),
        "bank_card": pl.String(),
        "amount_fen": pl.Int64(),
        "fee_fen": pl.Int64(),
        "fee_rate_per_million": pl.Int64(),
        "status_code": pl.String(),
        "traded_at": MOMENT,
        "settled_date": pl.Date(),
    },
    "bureau_reports": {
        "query_no": pl.String(),
        "auth_no": pl.String(),
        "application_no": pl.String(),
        "person_id": pl.String(),
        "cert_no": pl.String(),
        "mobile": pl.String(),
        "institutions_7d": pl.Int64(),
        "institutions_30d": pl.Int64(),
        "institutions_90d": pl.Int64(),
        "institutions_180d": pl.Int64(),
        "banks_180d": pl.Int64(),
        "consumer_finance_180d": pl.Int64(),
        "micro_loan_180d": pl.Int64(),
        "balance_band_code": pl.String(),
        "overdue_count_24m": pl.Int64(),
        "score": pl.Int64(),
        "queried_at": MOMENT,
        "reported_at": MOMENT,
    },
    "consents": {
        "event_no": pl.String(),
        "person_id": pl.String(),
        "cert_no": pl.String(),
        "event_code": pl.String(),
        "purpose_code": pl.String(),
        "recipient_code": pl.String(),
        "consent_kind_code": pl.String(),
        "text_version": pl.String(),
        "channel_code": pl.String(),
        "occurred_at": MOMENT,
        "valid_to": pl.Date(),
    },
}
CLOCKS = {
    "leads": "clicked_at",
    "clicks": "clicked_at",
    "ad_costs": "closed_date",
    "registrations": "registered_at",
    "logins": "logged_in_at",
    "applications": "applied_at",
    "decisions": "decided_at",
    "loans": "posted_at",
    "plan_terms": "posted_at",
    "repayments": "posted_at",
    "compensations": "compensated_date",
    "cases": "changed_date",
    "contacts": "contacted_at",
    "tickets": "changed_at",
    "complaints": "received_date",
    "channel_payments": "settled_date",
    "bureau_reports": "reported_at",
    "consents": "occurred_at",
}


@dataclass(frozen=True)
class World:
    """Frames with the columns of `COLUMNS`; money in fen, clocks naive Beijing time.

    Grain: a person, a lead, an application, a decision, a posted state of a loan, an instalment and plan
    version, a payment and instalment, a compensation and instalment, a transaction of the payment channel, a
    bureau query, a consent event; a click, a campaign and day, a user, a login; a version of a collection case, a
    contact; a state of a ticket, a complaint. `CLOCKS` says which column decides the business date of a row's
    delivery; `posted_at` is when the loan core learns of it.
    """

    persons: pl.DataFrame
    leads: pl.DataFrame
    clicks: pl.DataFrame
    ad_costs: pl.DataFrame
    registrations: pl.DataFrame
    logins: pl.DataFrame
    applications: pl.DataFrame
    decisions: pl.DataFrame
    loans: pl.DataFrame
    plan_terms: pl.DataFrame
    repayments: pl.DataFrame
    compensations: pl.DataFrame
    cases: pl.DataFrame
    contacts: pl.DataFrame
    tickets: pl.DataFrame
    complaints: pl.DataFrame
    channel_payments: pl.DataFrame
    bureau_reports: pl.DataFrame
    consents: pl.DataFrame

    @classmethod
    def assemble(cls, **frames: pl.DataFrame) -> World:
        """Make a world of the given frames: frames left out are empty, columns left out are null.

        Loans and repayments without `posted_at` are posted when they happen.

        Raises:
            ValueError: a frame or a column that a world does not have, or a row without its deciding clock.
        """
        unknown = [name for name in frames if name not in COLUMNS]
        unknown += [f"{name}.{c}" for name, f in frames.items() for c in f.columns if c not in COLUMNS.get(name, {})]
        if unknown:
            raise ValueError(f"A world has no {', '.join(unknown)}; see ingestion.simulation.world.COLUMNS.")
        whole = {field.name: _conform(frames.get(field.name), field.name) for field in fields(cls)}
        for name, clock in CLOCKS.items():
            if whole[name][clock].null_count():
                raise ValueError(f"Every row of {name} needs {clock}, by which it is delivered.")
        return cls(**whole)

    @cached_property
    def fund_movements(self) -> pl.DataFrame:
        """Signed changes of each loan's principal at the funder, in fen: `loan_no, moved_date, change_fen`.

        Compensation counts as paid: an instalment is paid once, and a payment after it changes nothing.
        """
        paid = (
            pl.concat(
                [
                    self.repayments.select(
                        "loan_no",
                        "term_no",
                        pl.col("posted_at").dt.date().alias("moved_date"),
                        "principal_amount_fen",
                    ),
                    self.compensations.select(
                        "loan_no",
                        "term_no",
                        pl.col("compensated_date").alias("moved_date"),
                        "principal_amount_fen",
                    ),
                ]
            )
            .join(
                self.plan_terms.group_by("loan_no", "term_no").agg(pl.col("principal_amount_fen").last().alias("cap")),
                on=["loan_no", "term_no"],
                how="left",
            )
            .sort("loan_no", "term_no", "moved_date")
            .with_columns(total=pl.col("principal_amount_fen").cum_sum().over("loan_no", "term_no"))
            .with_columns(
                change_fen=pl.min_horizontal(pl.col("total") - pl.col("principal_amount_fen"), "cap")
                - pl.min_horizontal("total", "cap")
            )
        )
        sign = pl.when(pl.col("status_code") == "RV").then(-1).otherwise(1)
        lent = self.loans.select(
            "loan_no",
            pl.col("posted_at").dt.date().alias("moved_date"),
            (pl.col("principal_amount_fen") * sign).alias("change_fen"),
        )
        return pl.concat([lent, paid.select(lent.columns)]).filter(pl.col("change_fen") != 0)

    @cached_property
    def guarantees(self) -> pl.DataFrame:
        """Guaranteed loans with the signing of the guarantee and its end: `signed_at`, `ended_date`, `end_code`.

        It ends when the loan is paid off (2), reversed (3) or bought back (4), whichever comes first.
        """
        loans = self.loans.filter(pl.col("guarantor_code").is_not_null())
        signed = loans.filter(pl.col("status_code") == "RP")
        paid = self.repayments.group_by("loan_no").agg(
            pl.col("principal_amount_fen").sum().alias("paid_fen"),
            pl.col("posted_at").max().dt.date().alias("ended_date"),
        )
        paid_off = signed.join(paid, on="loan_no").filter(pl.col("paid_fen") == pl.col("principal_amount_fen"))
        ends = pl.concat(
            [
                paid_off.select("loan_no", "ended_date", end_code=pl.lit("2")),
                loans.filter(pl.col("status_code") == "RV").select(
                    "loan_no", pl.col("posted_at").dt.date().alias("ended_date"), end_code=pl.lit("3")
                ),
                self.compensations.filter(pl.col("comp_type_code") == "02").select(
                    "loan_no", pl.col("compensated_date").alias("ended_date"), end_code=pl.lit("4")
                ),
            ]
        )
        first = ends.sort("loan_no", "ended_date", "end_code").unique("loan_no", keep="first", maintain_order=True)
        return signed.rename({"posted_at": "signed_at"}).join(first, on="loan_no", how="left").sort("loan_no")

    @cached_property
    def recoveries(self) -> pl.DataFrame:
        """Repayments of instalments that the guarantor had paid before, with the number of its payment."""
        paid = self.compensations.select("loan_no", "term_no", "comp_no", "compensated_date")
        return (
            self.repayments.join(paid, on=["loan_no", "term_no"])
            .filter(pl.col("posted_at").dt.date() > pl.col("compensated_date"))
            .sort("posted_at", "repay_no", "term_no")
        )

    def balances_at(self, day: date, funder_code: str) -> pl.DataFrame:
        """Loans with principal outstanding at a funder at the end of a date: `fund_loan_no, balance_fen`."""
        loans = self.loans.filter(pl.col("funder_code") == funder_code)
        return (
            self.fund_movements.filter(pl.col("moved_date") <= day)
            .group_by("loan_no")
            .agg(pl.col("change_fen").sum().alias("balance_fen"))
            .filter(pl.col("balance_fen") > 0)
            .join(loans.select("loan_no", "fund_loan_no").unique(), on="loan_no")
            .sort("fund_loan_no")
            .select("fund_loan_no", "balance_fen")
        )

    def compensations_to(self, funder_code: str) -> pl.DataFrame:
        """The compensations that a funder receives."""
        loans = self.loans.filter(pl.col("funder_code") == funder_code)
        return self.compensations.join(loans, on="fund_loan_no", how="semi")


def _conform(frame: pl.DataFrame | None, name: str) -> pl.DataFrame:
    wanted = COLUMNS[name]
    if frame is None:
        return pl.DataFrame(schema=dict(wanted))
    stand_in = {"loans": "funded_at", "repayments": "paid_at"}.get(name)
    if stand_in in frame.columns and "posted_at" not in frame.columns:
        frame = frame.with_columns(pl.col(str(stand_in)).alias("posted_at"))
    return frame.select(
        (pl.col(column) if column in frame.columns else pl.lit(None)).cast(kind).alias(column)
        for column, kind in wanted.items()
    )


def build_world(customers: int, seed: int) -> World:
    """Build the whole history of `customers` customers up to the fixed end of the horizon."""
    persons = draw_persons(customers, seed)
    applications = draw_applications(persons, seed)
    leads = draw_leads(persons, applications, seed)
    applications = _identify(persons, applications, leads)
    lent = draw_loans(persons, applications, seed)
    plan = build_plan(lent)
    kept = lent.filter(~pl.col("is_reversed"))
    course = draw_course(kept, seed)
    repayments = list_repayments(kept, course, seed)
    compensations = list_compensations(kept, course)
    plan = pl.concat([plan, replan_settled(kept, plan, course, repayments)])
    users = draw_registrations(persons, leads, applications, seed)
    cases = list_cases(append_reversals(lent), plan, repayments)
    tickets = draw_tickets(applications, seed)
    consents = draw_consents(persons, applications, seed)
    frames = {
        "persons": persons,
        "leads": leads,
        "clicks": draw_clicks(leads, seed),
        "ad_costs": draw_ad_costs(seed),
        "registrations": users,
        "logins": draw_logins(users, applications, lent, repayments, seed),
        "applications": applications,
        "decisions": _list_decisions(applications),
        "loans": append_reversals(lent),
        "plan_terms": plan,
        "repayments": repayments,
        "compensations": compensations,
        "cases": cases,
        "contacts": draw_contacts(cases, seed),
        "tickets": tickets,
        "complaints": list_complaints(tickets),
        "channel_payments": draw_channel_payments(persons, kept, repayments, seed),
        "bureau_reports": draw_bureau_reports(persons, applications, consents, seed),
        "consents": consents,
    }
    return World.assemble(**{name: frame.select(*COLUMNS[name]) for name, frame in frames.items()})


def _identify(persons: pl.DataFrame, applications: pl.DataFrame, leads: pl.DataFrame) -> pl.DataFrame:
    """Give applications their number, applicant, channel, and the lead that brought them."""
    person = applications["person"]
    by_traffic = (
        leads.filter(pl.col("channel_code") == "TE").select("person", "applied_at", "lead_id").drop_nulls("applied_at")
    )
    return (
        applications.with_columns(
            persons[column].gather(person) for column in ("person_id", "cert_no", "customer_name", "mobile")
        )
        .with_columns(
            income=persons["monthly_income_amount_fen"].gather(person),
            channel_code=pl.when("leads_by_traffic")
            .then(pl.lit("TE"))
            .when(pl.col("channel_draw") > 0.93)
            .then(pl.lit("OFF"))
            .otherwise(pl.lit("APP")),
            product_code=pl.format("CASH{}", pl.col("term_count").cast(pl.String).str.zfill(2)),
            is_test=pl.col("is_tester"),
        )
        .with_columns(
            monthly_income_amount_fen=pl.when("declares_income").then(
                (pl.col("income") * pl.col("income_factor") / 10_000).round().cast(pl.Int64) * 10_000
            )
        )
        .join(
            by_traffic.unique(["person", "applied_at"], keep="first", maintain_order=True),
            on=["person", "applied_at"],
            how="left",
        )
        .sort("applied_at", "person", "requested_amount_fen")
        .with_columns(
            application_no=pl.concat_str(
                pl.lit("AP"),
                pl.col("applied_at").dt.strftime("%y%m%d"),
                pl.int_range(1, pl.len() + 1).cast(pl.String).str.zfill(8),
            )
        )
    )


def _list_decisions(applications: pl.DataFrame) -> pl.DataFrame:
    approved = pl.col("decision_code") == "A"
    return (
        applications.filter("is_decided")
        .with_columns(
            approved_amount_fen=pl.when(approved).then("approved_amount_fen"),
            risk_score=pl.when("is_scored").then("risk_score"),
            reason_code=pl.when(pl.col("reason_code") != "").then("reason_code"),
            strategy_version=pl.when(pl.col("decided_at").dt.date() < pl.date(2025, 12, 1))
            .then(pl.lit("S2025.07"))
            .otherwise(pl.lit("S2025.12")),
        )
        .sort("decided_at", "application_no")
    )
