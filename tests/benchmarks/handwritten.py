"""The same figures by one hand-written DuckDB script: no contracts, no versions, no gates, no publication.

It reads what was delivered and keeps its answers in a DuckDB file. What it checks of a row is only what the figures
would break on. Run as `python handwritten.py <landing> <batch date> <database> <figures.json>`; nothing of the
platform is imported. Times are naive Beijing times; the figures are as of 08:00 on the day after the batch date.
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import tempfile
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path

import duckdb
import polars as pl

ROWS_AT_ONCE = 200_000
LOAN_CORE = {
    "core_loans": "select loan_no, application_no, cert_no, fund_loan_no, principal_amount, funded_at, status_code,"
    " posted_at from loan where posted_date <= ?",
    "core_terms": "select loan_no, term_no, plan_version, due_date, principal_amount, interest_amount, fee_amount"
    " from plan_term where posted_date <= ?",
    "core_receipts": "select loan_no, term_no, paid_at, principal_amount, interest_amount, fee_amount"
    " from repayment where posted_date <= ?",
}

DELIVERED = """
create temp macro number_at(value, place, weight) as cast(substr(value, place, 1) as integer) * weight;
create temp macro is_identity(value) as
    case when regexp_full_match(value, '[1-9][0-9]{16}[0-9X]') then substr('10X98765432', (
        number_at(value, 1, 7) + number_at(value, 2, 9) + number_at(value, 3, 10) + number_at(value, 4, 5)
        + number_at(value, 5, 8) + number_at(value, 6, 4) + number_at(value, 7, 2) + number_at(value, 8, 1)
        + number_at(value, 9, 6) + number_at(value, 10, 3) + number_at(value, 11, 7) + number_at(value, 12, 9)
        + number_at(value, 13, 10) + number_at(value, 14, 5) + number_at(value, 15, 8) + number_at(value, 16, 4)
        + number_at(value, 17, 2)) % 11 + 1, 1) = substr(value, 18, 1) else false end;

create table applications as
select application_no as application_id, upper(trim(cert_no)) as customer_id, cast(applied_at as timestamp) as applied_at,
    channel_code, requested_amount, nullif(monthly_income_amount, -1) as monthly_income_amount,
    cast(try_strptime(substr(cert_no, 7, 8), '%Y%m%d') as date) as birth_date, sha256(mobile) as phone_sha256,
    left(customer_name, 1) || '**' as name_masked, left(mobile, 3) || '****' || right(mobile, 4) as mobile_masked
from read_parquet($applications) where is_identity(upper(trim(cert_no)));

create table decisions as
select application_no as application_id, decision_code, approved_amount, nullif(risk_score, -999) as risk_score,
    cast(decided_at as timestamp) as decided_at
from read_parquet($decisions) where decision_code in ('A', 'R', 'C');

create table consents as
select * from (
    select event_no, upper(cert_no) as customer_id, event_code, purpose_code, recipient_code,
        try_cast(occurred_at as timestamp) as occurred_at, cast(strptime(valid_to, '%Y%m%d') as date) as valid_to
    from read_csv($consents, header = true, all_varchar = true, quote = '"')
) where occurred_at is not null and event_code in ('G', 'W');

create table leads as
select line ->> '$.lead_id' as lead_id, line ->> '$.phone_sha256' as phone_sha256,
    to_timestamp(cast(line ->> '$.ts' as bigint) / 1000) as created_at
from read_csv($leads, columns = {'line': 'VARCHAR'}, delim = '\x1e', quote = '', escape = '', header = false,
    auto_detect = false)
where json_valid(line) and length(line ->> '$.phone_sha256') = 64;

create table payouts as
select fund_loan_no as loan_id_funder, loan_no as loan_id, try_cast(principal_fen as bigint) * 0.01 as principal_amount,
    cast(strptime(funded_at, '%Y%m%d%H%M%S') as timestamp) as funded_at, status_code = '1' as is_payout
from read_csv($payouts_a, delim = '|+|', header = false, skip = 1, quote = '', escape = '', auto_detect = false,
    ignore_errors = true, columns = {'fund_loan_no': 'VARCHAR', 'loan_no': 'VARCHAR', 'cert_no': 'VARCHAR',
    'customer_name': 'VARCHAR', 'principal_fen': 'VARCHAR', 'term_count': 'VARCHAR', 'rate': 'VARCHAR',
    'funded_at': 'VARCHAR', 'value_date': 'VARCHAR', 'status_code': 'VARCHAR'})
where try_cast(principal_fen as bigint) is not null and status_code in ('1', '3')
union all
select fund_loan_no, loan_no, cast(principal_amount as decimal(18, 2)), cast(funded_at as timestamp), status_code = 'S'
from read_csv($payouts_b, delim = '|', header = false, quote = '', escape = '', auto_detect = false,
    ignore_errors = true, columns = {'fund_loan_no': 'VARCHAR', 'loan_no': 'VARCHAR', 'customer_name': 'VARCHAR',
    'cert_no': 'VARCHAR', 'principal_amount': 'VARCHAR', 'term_count': 'VARCHAR', 'rate': 'VARCHAR',
    'repay_method_code': 'VARCHAR', 'funded_at': 'VARCHAR', 'value_date': 'VARCHAR', 'maturity_date': 'VARCHAR',
    'status_code': 'VARCHAR', 'nothing': 'VARCHAR'})
where try_cast(principal_amount as decimal(18, 2)) is not null and try_cast(value_date as date) is not null
    and is_identity(upper(trim(cert_no))) and status_code in ('S', 'C');

create table bank_balances as
select fund_loan_no as loan_id_funder, balance_fen * cast(0.01 as decimal(18, 2)) as balance_amount
from read_csv($balances_a, delim = '|+|', header = false, skip = 1, quote = '', escape = '', auto_detect = false,
    columns = {'fund_loan_no': 'VARCHAR', 'balance_fen': 'DECIMAL(18, 0)', 'balance_date': 'VARCHAR'})
where balance_date = strftime($day, '%Y%m%d')
union all
select fund_loan_no, balance_amount
from read_csv($balances_b, delim = '|', header = false, quote = '', escape = '', auto_detect = false,
    columns = {'balance_date': 'DATE', 'fund_loan_no': 'VARCHAR', 'balance_amount': 'DECIMAL(18, 2)',
    'nothing': 'VARCHAR'})
where balance_date = $day;

create table compensated as
select comp_no, fund_loan_no as loan_id_funder, term_no as term_number,
    cast(strptime(compensated_date, '%Y%m%d') as date) as compensated_date,
    cast(principal_fen as decimal(18, 0)) * 0.01 as principal_amount,
    cast(interest_fen as decimal(18, 0)) * 0.01 as interest_amount, comp_type_code = '02' as is_buyback
from read_csv($compensations_a, delim = '|+|', header = false, skip = 1, quote = '', escape = '', auto_detect = false,
    columns = {'comp_no': 'VARCHAR', 'fund_loan_no': 'VARCHAR', 'term_no': 'INTEGER', 'compensated_date': 'VARCHAR',
    'principal_fen': 'VARCHAR', 'interest_fen': 'VARCHAR', 'comp_type_code': 'VARCHAR'})
where try_cast(principal_fen as bigint) is not null
union all
select comp_no, fund_loan_no, term_no, compensated_date, principal_amount, interest_amount, comp_type_code = 'HG'
from read_csv($compensations_b, delim = '|', header = false, quote = '', escape = '', auto_detect = false,
    ignore_errors = true, columns = {'comp_no': 'VARCHAR', 'fund_loan_no': 'VARCHAR', 'term_no': 'INTEGER',
    'compensated_date': 'DATE', 'principal_amount': 'DECIMAL(18, 2)', 'interest_amount': 'DECIMAL(18, 2)',
    'comp_type_code': 'VARCHAR', 'nothing': 'VARCHAR'})
where comp_type_code in ('DC', 'HG');

create table loan_events as
select loan_no as loan_id, application_no as application_id, cert_no as customer_id, fund_loan_no as loan_id_funder,
    cast(principal_amount as decimal(18, 2)) as principal_amount, cast(funded_at as timestamp) as funded_at, status_code,
    cast(posted_at as timestamp) as posted_at
from core_loans;
drop table core_loans;

create table receipts as
select loan_no as loan_id, term_no as term_number, cast(paid_at as timestamp) as paid_at,
    cast(principal_amount as decimal(18, 2)) as principal_amount,
    cast(interest_amount as decimal(18, 2)) as interest_amount, cast(fee_amount as decimal(18, 2)) as fee_amount
from core_receipts;
drop table core_receipts;
"""

WAREHOUSE = """
create table loans as
select funded.*, reversed.loan_id is not null as is_reversed
from (select * from loan_events where status_code = 'RP') as funded
left join (select distinct loan_id from loan_events where status_code = 'RV') as reversed using (loan_id);

create table customers as
with seen as (
    select customer_id, min(seen_at) as first_seen_at from (
        select customer_id, applied_at as seen_at from applications
        union all select customer_id, funded_at from loan_events
        union all select customer_id, occurred_at from consents
    ) group by customer_id
),
latest as (
    select customer_id, birth_date, name_masked, mobile_masked, channel_code from applications
    qualify row_number() over (partition by customer_id order by applied_at desc, application_id desc) = 1
)
select * from seen left join latest using (customer_id);

create table payments as
select loan_id, term_number, true as by_customer, null as is_buyback, cast(paid_at as date) as paid_date,
    principal_amount, principal_amount + interest_amount as principal_and_interest,
    principal_amount + interest_amount + fee_amount as paid_amount
from receipts
union all
select loans.loan_id, term_number, false, is_buyback, compensated_date, compensated.principal_amount,
    compensated.principal_amount + interest_amount, compensated.principal_amount + interest_amount
from compensated join loans using (loan_id_funder);

create table instalments as
with plan as (
    select loan_no as loan_id, term_no as term_number, cast(due_date as date) as due_date,
        cast(principal_amount as decimal(18, 2)) as principal_amount,
        cast(interest_amount as decimal(18, 2)) as interest_amount, cast(fee_amount as decimal(18, 2)) as fee_amount
    from core_terms
    qualify row_number() over (partition by loan_no, term_no order by plan_version desc) = 1
),
running as (
    select payments.*, plan.principal_amount + interest_amount + fee_amount as due_amount,
        plan.principal_amount + interest_amount as due_principal_and_interest,
        sum(case when by_customer then paid_amount else 0 end) over by_date as paid_by_customer,
        sum(principal_and_interest) over by_date as paid_to_funder,
        bool_or(is_buyback) over by_date and sum(payments.principal_amount) over by_date >= plan.principal_amount as is_sold
    from payments join plan using (loan_id, term_number)
    window by_date as (partition by loan_id, term_number order by paid_date
        range between unbounded preceding and current row)
),
cleared as (
    select loan_id, term_number, min(case when by_customer and paid_by_customer >= due_amount then paid_date end) as cleared_before,
        min(case when paid_to_funder >= due_principal_and_interest or is_sold then paid_date end) as cleared_after,
        sum(case when by_customer then principal_amount else 0 end) as paid_by_customer,
        sum(principal_amount) as paid_by_anyone
    from running group by loan_id, term_number
)
select plan.*, loans.customer_id, loans.is_reversed, cleared_before, cleared_after,
    coalesce(paid_by_customer, 0) as paid_by_customer, coalesce(paid_by_anyone, 0) as paid_by_anyone,
    case when cleared_before is null then greatest(datediff('day', due_date, $day), 0) else 0 end as dpd_before,
    case when cleared_after is null then greatest(datediff('day', due_date, $day), 0) else 0 end as dpd_after,
    greatest(datediff('day', due_date, least($day, coalesce(cleared_before, $day))), 0) as dpd_ever_before,
    greatest(datediff('day', due_date, least($day, coalesce(cleared_after, $day))), 0) as dpd_ever_after
from plan join loans using (loan_id) left join cleared using (loan_id, term_number);
drop table core_terms;

create table loan_days as
select loans.loan_id, any_value(loans.customer_id) as customer_id, any_value(loan_id_funder) as loan_id_funder,
    any_value(loans.principal_amount) - sum(paid_by_customer) as balance_before,
    any_value(loans.principal_amount) - sum(least(instalments.principal_amount, paid_by_anyone)) as balance_after,
    sum(case when dpd_before > 0 then instalments.principal_amount - paid_by_customer else 0 end) as overdue_principal,
    max(dpd_before) as dpd_before, max(dpd_after) as dpd_after, max(dpd_ever_before) as dpd_ever_before,
    max(dpd_ever_after) as dpd_ever_after
from loans join instalments using (loan_id) where not loans.is_reversed group by loans.loan_id;

create table delinquency as
with calibres as (
    select 'before_compensation' as calibre, customer_id, balance_before as balance, dpd_before as dpd from loan_days
    union all select 'after_compensation', customer_id, balance_after, dpd_after from loan_days
)
select calibre, threshold, sum(balance) as balance, sum(balance) filter (dpd >= lowest) as overdue_balance,
    count(*) filter (balance > 0) as active_loans, count(distinct customer_id) filter (balance > 0) as active_borrowers,
    count(*) filter (dpd >= lowest and balance > 0) as overdue_loans
from calibres cross join (values ('>=1', 1), ('>=7', 7), ('>=30', 30), ('>30', 31), ('>=60', 60), ('>=90', 90))
    as thresholds (threshold, lowest)
group by all order by all;

create table buckets as
with calibres as (
    select 'before_compensation' as calibre, balance_before as balance, dpd_before as dpd from loan_days
    union all select 'after_compensation', balance_after, dpd_after from loan_days
)
select calibre, case when dpd = 0 then 'C' else 'M' || least((dpd + 29) // 30, 7) end as bucket,
    count(*) as loans, sum(balance) as balance
from calibres where balance > 0 or dpd > 0 group by all order by all;

create table bridge as
with compensations as (
    select loan_id, term_number, bool_or(is_buyback) as is_buyback, min(paid_date) as compensated_date,
        sum(payments.principal_amount) as amount
    from payments join loans using (loan_id) where not by_customer and not is_reversed group by all
),
recovered as (
    select loan_id, term_number, sum(principal_amount) as amount
    from payments join compensations using (loan_id, term_number)
    where by_customer and paid_date > compensated_date group by all
),
receivables as (
    select sum(compensations.amount - coalesce(recovered.amount, 0)) filter (not is_buyback) as compensated_outstanding,
        sum(compensations.amount - coalesce(recovered.amount, 0)) filter (is_buyback) as buyback_outstanding
    from compensations left join recovered using (loan_id, term_number)
)
select (select sum(balance_before) from loan_days) as balance_before,
    (select sum(balance_after) from loan_days) as balance_after,
    coalesce(compensated_outstanding, 0) as compensated_outstanding, coalesce(buyback_outstanding, 0) as buyback_outstanding
from receivables;

create table loan_reconciliation as
with core as (select * from loans where not is_reversed),
bank as (
    select * from payouts where is_payout
        and loan_id_funder not in (select loan_id_funder from payouts where not is_payout)
)
select coalesce(core.loan_id_funder, bank.loan_id_funder) as loan_id_funder, core.principal_amount as core_amount,
    bank.principal_amount as bank_amount,
    case when bank.loan_id_funder is null then 'only_left' when core.loan_id_funder is null then 'only_right'
        when core.principal_amount <> bank.principal_amount then 'amount_diff'
        when cast(core.funded_at as date) <> cast(bank.funded_at as date) then 'date_diff' else 'matched' end as break_type
from core full outer join bank using (loan_id_funder);

create table balance_reconciliation as
with core as (select loan_id_funder, balance_after from loan_days where balance_after > 0)
select coalesce(core.loan_id_funder, bank.loan_id_funder) as loan_id_funder, balance_after, balance_amount,
    case when bank.loan_id_funder is null then 'only_left' when core.loan_id_funder is null then 'only_right'
        when balance_after <> balance_amount then 'amount_diff' else 'matched' end as break_type
from core full outer join bank_balances as bank using (loan_id_funder);

create table customer_360 as
with applied as (
    select customer_id, count(*) as applications, count(*) filter (decision_code = 'A') as approved,
        count(*) filter (decision_code is null) as pending, min(applied_at) as first_applied, max(applied_at) as last_applied
    from applications left join decisions using (application_id) group by customer_id
),
borrowed as (
    select customer_id, count(*) as loans, count(*) filter (balance_before > 0) as active_loans,
        sum(principal_amount) as disbursed, sum(balance_before) as balance_before, sum(balance_after) as balance_after,
        sum(overdue_principal) as overdue_principal, max(dpd_before) as dpd_before, max(dpd_after) as dpd_after,
        max(dpd_ever_before) as dpd_ever_before, min(funded_at) as first_funded, max(funded_at) as last_funded
    from loan_days join loans using (loan_id, customer_id) group by customer_id
),
phones as (
    select phone_sha256, min(customer_id) as customer_id from applications
    group by phone_sha256 having min(customer_id) = max(customer_id)
),
clicked as (
    select customer_id, count(*) as leads, min(created_at) as first_lead
    from leads join phones using (phone_sha256) group by customer_id
),
standing as (
    select customer_id, purpose_code from (
        select customer_id, purpose_code, event_code, valid_to from consents qualify row_number() over (
            partition by customer_id, purpose_code order by occurred_at desc, event_no desc) = 1
    ) where event_code = 'G' and valid_to >= $day
),
allowed as (
    select customer_id, bool_or(purpose_code = 'MARKETING') as marketing, bool_or(purpose_code = 'LIMIT_MGMT') as limits,
        bool_or(purpose_code = 'MODEL_DEV') as modelling
    from standing group by customer_id
)
select customers.*, applied.* exclude (customer_id), borrowed.* exclude (customer_id), coalesce(leads, 0) as leads,
    first_lead, coalesce(marketing, false) as has_marketing, coalesce(limits, false) as has_limits,
    coalesce(modelling, false) as has_modelling,
    case when dpd_before > 0 then 'overdue' when active_loans > 0 then 'active' when loans > 0 then 'settled'
        when approved > 0 then 'approved' when applications > 0 then 'applied' else 'registered' end as lifecycle_stage
from customers left join applied using (customer_id) left join borrowed using (customer_id)
left join clicked using (customer_id) left join allowed using (customer_id);
"""

FEATURES = """
create table features as
with permitted as (
    select customer_id from customers
    join (
        select customer_id,
            max(case when event_code = 'W' then occurred_at end) as withdrawn_at
        from consents where purpose_code = 'LIMIT_MGMT' and recipient_code = 'PLATFORM' and occurred_at <= $as_of
        group by customer_id
    ) using (customer_id)
    join (
        select customer_id, occurred_at, valid_to from consents
        where purpose_code = 'LIMIT_MGMT' and recipient_code = 'PLATFORM' and event_code = 'G' and occurred_at <= $as_of
    ) using (customer_id)
    where (withdrawn_at is null or occurred_at > withdrawn_at) and valid_to >= cast($as_of as date)
        and first_seen_at <= $as_of and coalesce(birth_date + interval 18 year <= cast($as_of as date), true)
    group by customer_id
),
applied as (
    select customer_id, count(*) filter (applied_at >= $as_of - interval 7 day) as apply_cnt_7d,
        count(*) filter (applied_at >= $as_of - interval 30 day) as apply_cnt_30d,
        count(*) filter (applied_at >= $as_of - interval 90 day) as apply_cnt_90d,
        count(*) filter (applied_at >= $as_of - interval 180 day) as apply_cnt_180d,
        count(*) filter (applied_at >= $as_of - interval 360 day) as apply_cnt_360d,
        cast(sum(requested_amount) filter (applied_at >= $as_of - interval 360 day) * 100 as bigint) as fen,
        count(requested_amount) filter (applied_at >= $as_of - interval 360 day) as stated,
        arg_max(monthly_income_amount, row(applied_at, monthly_income_amount)) filter (monthly_income_amount is not null) as monthly_income_last
    from applications where applied_at < $as_of group by customer_id
),
decided as (
    select customer_id, arg_max(risk_score, row(decided_at, risk_score)) filter (risk_score is not null) as risk_score_last
    from decisions join applications using (application_id) where decided_at < $as_of group by customer_id
),
movements as (
    select customer_id, case status_code when 'RP' then 'drawn' else 'reversed' end as kind,
        case status_code when 'RP' then funded_at else posted_at end as moved_at,
        case status_code when 'RP' then principal_amount else -principal_amount end as amount
    from loan_events
    union all
    select customer_id, 'repaid', paid_at, -receipts.principal_amount from receipts join loans using (loan_id)
),
moved as (
    select customer_id, sum(amount) as bal_principal_cust,
        count(*) filter (kind = 'drawn' and moved_at >= $as_of - interval 90 day)
            - count(*) filter (kind = 'reversed' and moved_at >= $as_of - interval 90 day) as draw_cnt_90d,
        coalesce(sum(amount) filter (kind <> 'repaid' and moved_at >= $as_of - interval 30 day), 0) as draw_amt_30d,
        coalesce(sum(amount) filter (kind <> 'repaid' and moved_at >= $as_of - interval 90 day), 0) as drawn_90d,
        coalesce(sum(amount) filter (kind = 'repaid' and moved_at >= $as_of - interval 90 day), 0) as repaid_90d
    from movements where moved_at < $as_of group by customer_id
),
clearances as (
    select customer_id, cleared_before, datediff('day', due_date, cleared_before) as delay_days,
        row_number() over (partition by customer_id
            order by cleared_before desc, datediff('day', due_date, cleared_before) desc) as place
    from instalments where cleared_before is not null
),
behaved as (
    select customer_id,
        count(*) filter (delay_days > 0 and cleared_before >= $as_of - interval 180 day) as late_instal_cnt_180d,
        count(*) filter (delay_days > 0 and cleared_before >= $as_of - interval 360 day) as late_360d,
        count(*) filter (cleared_before >= $as_of - interval 360 day) as cleared_360d,
        avg(delay_days) filter (place <= 6) as clear_delay_avg_6p,
        max(delay_days) filter (cleared_before >= $as_of - interval 360 day) as clear_delay_max_360d,
        datediff('day', max(cleared_before), cast($as_of as date)) as last_clear_days
    from clearances group by customer_id
),
guaranteed as (
    select customer_id, count(*) as compensated_cnt from compensated join loans using (loan_id_funder)
    where compensated_date < $as_of group by customer_id
)
select customer_id, coalesce(apply_cnt_7d, 0) as apply_cnt_7d, coalesce(apply_cnt_30d, 0) as apply_cnt_30d,
    coalesce(apply_cnt_90d, 0) as apply_cnt_90d, coalesce(apply_cnt_180d, 0) as apply_cnt_180d,
    coalesce(apply_cnt_360d, 0) as apply_cnt_360d,
    cast((2 * fen + stated) // nullif(2 * stated, 0) as decimal(18, 0)) * 0.01 as requested_amount_avg_360d,
    monthly_income_last, risk_score_last, coalesce(bal_principal_cust, 0) as bal_principal_cust,
    coalesce(draw_cnt_90d, 0) as draw_cnt_90d, coalesce(draw_amt_30d, 0) as draw_amt_30d,
    -repaid_90d / nullif(drawn_90d, 0) as repay_to_draw_ratio_90d,
    coalesce(late_instal_cnt_180d, 0) as late_instal_cnt_180d, late_360d / nullif(cleared_360d, 0) as late_ratio_360d,
    clear_delay_avg_6p, clear_delay_max_360d, last_clear_days, coalesce(compensated_cnt, 0) as compensated_cnt
from permitted left join applied using (customer_id) left join decided using (customer_id)
left join moved using (customer_id) left join behaved using (customer_id) left join guaranteed using (customer_id);
"""

FIGURES = {
    "customers": "select count(*) from customers",
    "applications": "select count(*) from applications",
    "loans": "select count(*), sum(principal_amount) from loans where not is_reversed",
    "instalments": "select count(*), count(cleared_before), count(cleared_after), sum(dpd_ever_before),"
    " sum(dpd_ever_after) from instalments",
    "bridge": "select balance_before, balance_after, compensated_outstanding, buyback_outstanding from bridge",
    "delinquency": "select * from delinquency order by calibre, threshold",
    "buckets": "select * from buckets order by calibre, bucket",
    "loan_reconciliation": "select break_type, count(*) from loan_reconciliation group by all order by all",
    "balance_reconciliation": "select break_type, count(*) from balance_reconciliation group by all order by all",
    "customer_360": "select lifecycle_stage, count(*), sum(applications), sum(approved), sum(leads),"
    " coalesce(sum(overdue_principal), 0), coalesce(max(dpd_ever_before), 0), sum(has_marketing::int), sum(has_limits::int),"
    " sum(has_modelling::int) from customer_360 group by all order by all",
}


def run(landing: Path, day: date, database: Path) -> dict[str, list[list[object]]]:
    """Build every table from the deliveries up to `day`; returns the figures."""
    database.unlink(missing_ok=True)
    config: dict[str, str | bool | int | float | list[str]] = {
        "threads": os.environ.get("PLATFORM_THREADS", str(os.cpu_count() or 2)),
        "memory_limit": os.environ.get("PLATFORM_MEMORY_LIMIT", "4GB"),
    }
    with (
        tempfile.TemporaryDirectory(dir=database.parent) as scratch,
        duckdb.connect(database, config=config) as connection,
    ):
        _copy_loan_core(connection, landing / "dept_loan_core" / "loan_core.db", day)
        parameters = {
            "$day": f"date '{day}'",
            "$as_of": f"timestamp '{day + timedelta(days=1)} 08:00'",
            "$applications": _listed(landing, "dept_risk/*/applications.parquet", day),
            "$decisions": _listed(landing, "dept_risk/*/decisions.parquet", day),
            "$consents": _listed(landing, "dept_compliance/*/consents_*.csv", day),
            "$leads": _listed(landing, "traffic_e/*/leads_*.jsonl", day),
            "$payouts_a": _transcoded(landing, "bank_a/*/LOAN_*.txt", day, Path(scratch)),
            "$balances_a": _transcoded(landing, "bank_a/*/BAL_*.txt", day, Path(scratch)),
            "$compensations_a": _transcoded(landing, "bank_a/*/COMP_*.txt", day, Path(scratch)),
            "$payouts_b": _listed(landing, "bank_b/*/BKB_LOAN_*.dat", day),
            "$balances_b": _listed(landing, "bank_b/*/BKB_BAL_*.dat", day),
            "$compensations_b": _listed(landing, "bank_b/*/BKB_COMP_*.dat", day),
        }
        for script in (DELIVERED, WAREHOUSE, FEATURES):
            for name, value in parameters.items():
                script = script.replace(name, value)
            connection.execute(script).fetchall()
        return _figures(connection)


def _copy_loan_core(connection: duckdb.DuckDBPyConnection, path: Path, day: date) -> None:
    with closing(sqlite3.connect(path)) as core:
        for table, query in LOAN_CORE.items():
            parts = pl.read_database(
                query, core, iter_batches=True, batch_size=ROWS_AT_ONCE, execute_options={"parameters": (str(day),)}
            )
            for number, part in enumerate(parts):
                connection.register("part", part.to_arrow())
                verb = f"insert into {table}" if number else f"create table {table} as"
                connection.execute(f"{verb} from part").fetchall()
                connection.unregister("part")


def _files(landing: Path, pattern: str, day: date) -> list[Path]:
    return [path for path in sorted(landing.glob(pattern)) if path.parent.name <= f"{day:%Y%m%d}"]


def _listed(landing: Path, pattern: str, day: date) -> str:
    return str([str(path) for path in _files(landing, pattern, day)] or [os.devnull])


def _transcoded(landing: Path, pattern: str, day: date, scratch: Path) -> str:
    written = []
    for path in _files(landing, pattern, day):
        target = scratch / path.name
        target.write_text(path.read_text(encoding="gb18030"), encoding="utf-8")
        written.append(str(target))
    return str(written)


def _figures(connection: duckdb.DuckDBPyConnection) -> dict[str, list[list[object]]]:
    queries = dict(FIGURES)
    for name, *_ in connection.execute("describe features").fetchall():
        if name != "customer_id":
            queries[f"features.{name}"] = f"select count(*), count({name}), sum({name}) from features"
    return {name: [list(row) for row in connection.execute(query).fetchall()] for name, query in queries.items()}


if __name__ == "__main__":
    landing, day, database, figures = sys.argv[1:]
    found = run(Path(landing), date.fromisoformat(day), Path(database))
    Path(figures).write_text(json.dumps(found, default=str, ensure_ascii=False, indent=1), encoding="utf-8")
