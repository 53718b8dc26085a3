{{ config(materialized='incremental', incremental_strategy='append', pre_hook="{{ drop_stale_slices() }}") }}
with

dates as ({{ dates_to_derive() }}),

days as ({{ loan_days('dates') }}),

by_calibre as ({{ loan_days_by_calibre('days') }})

select
    days.as_of_date,
    days.calibre,
    thresholds.threshold,
    cast(sum(days.balance_amount) as decimal(18, 2)) as balance_principal_amount,
    cast(
        sum(case when days.dpd >= thresholds.lowest_dpd then days.balance_amount else 0 end) as decimal(18, 2)
    ) as overdue_balance_amount,
    cast(sum(case when days.balance_amount > 0 then 1 else 0 end) as bigint) as active_loan_count,
    cast(count(distinct case when days.balance_amount > 0 then days.customer_id end) as bigint)
        as active_borrower_count,
    cast(
        sum(case when days.balance_amount > 0 and days.dpd >= thresholds.lowest_dpd then 1 else 0 end) as bigint
    ) as overdue_loan_count,
    {{ rate(
        'sum(case when days.dpd >= thresholds.lowest_dpd then days.balance_amount else 0 end)',
        'sum(days.balance_amount)'
    ) }} as overdue_balance_rate,
    dates.inputs_hash as _inputs_hash
from by_calibre as days
inner join dates on days.as_of_date = dates.as_of_date
cross join {{ ref('ref_overdue_thresholds') }} as thresholds
group by days.as_of_date, days.calibre, thresholds.threshold, dates.inputs_hash
