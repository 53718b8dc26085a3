{{ config(materialized='incremental', incremental_strategy='append', pre_hook="{{ drop_stale_slices() }}") }}
with

dates as ({{ dates_to_derive() }}),

days as ({{ loan_days('dates') }}),

by_calibre as ({{ loan_days_by_calibre('days') }})

select
    days.as_of_date,
    days.calibre,
    buckets.scheme,
    buckets.bucket,
    cast(count(*) as bigint) as loan_count,
    cast(sum(days.balance_amount) as decimal(18, 2)) as balance_principal_amount,
    dates.inputs_hash as _inputs_hash
from by_calibre as days
inner join dates on days.as_of_date = dates.as_of_date
inner join {{ ref('ref_dpd_buckets') }} as buckets
    on days.dpd between buckets.lowest_dpd and buckets.highest_dpd
    and days.as_of_date between buckets.valid_from and buckets.valid_to
where days.balance_amount > 0 or days.dpd > 0
group by days.as_of_date, days.calibre, buckets.scheme, buckets.bucket, dates.inputs_hash
