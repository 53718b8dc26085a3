-- The break queue (挂账队列) of the batch date: every item on which a funder and we differ, since when and for how many
-- days; and, once, what was a break until today's deliveries matched it (次日勾兑).
with

items as (

    select 'loans' as reconciliation, * from {{ ref('rec_loans__funder') }}
    union all
    select 'balances' as reconciliation, * from {{ ref('rec_balances__funder') }}

)

select
    {{ batch_date() }} as as_of_date,
    reconciliation,
    funder,
    loan_id_funder,
    loan_id,
    case break_type when 'matched' then 'rematched' else 'open' end as status,
    break_type,
    core_amount,
    funder_amount,
    amount_difference_amount,
    coalesce(waited_since_date, first_seen_date) as first_seen_date,
    cast({{ days_between('coalesce(waited_since_date, first_seen_date)', batch_date()) }} as int) as age_days,
    is_counted,
    is_above_threshold
from items
where break_type <> 'matched' or waited_since_date is not null
