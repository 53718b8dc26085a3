-- X68: the funder's balance file of the batch date against the balance after compensation, loan by loan.
with

compared as (

    select * from {{ ref('int_balances_compared') }}

),

tolerated as (

    select
        compared.*,
        case
            when
                compared.core_amount is null
                or compared.funder_amount is null
                or abs(compared.core_amount - compared.funder_amount) > thresholds.amount_tolerance
                then 1
            else 0
        end as is_break
    from compared
    inner join {{ ref('ref_reconciliation_thresholds') }} as thresholds on thresholds.reconciliation = 'balances'

),

-- A break is as old as its unbroken run of dates up to the batch date; one that ended today waited since its run began.
runs as (

    select
        tolerated.funder,
        tolerated.loan_id_funder,
        max(case when is_break = 0 and dates_back > 1 then balance_date end) as last_matched_date
    from tolerated
    group by tolerated.funder, tolerated.loan_id_funder

),

aged as (

    select
        tolerated.funder,
        tolerated.loan_id_funder,
        min(tolerated.balance_date) as first_seen_date
    from tolerated
    inner join runs on tolerated.funder = runs.funder and tolerated.loan_id_funder = runs.loan_id_funder
    where
        tolerated.is_break = 1
        and (runs.last_matched_date is null or runs.last_matched_date < tolerated.balance_date)
    group by tolerated.funder, tolerated.loan_id_funder

),

today as (

    select
        compared.funder,
        compared.loan_id_funder,
        compared.loan_id,
        compared.core_amount,
        compared.funder_amount,
        compared.balance_date as core_date,
        compared.balance_date as funder_date,
        coalesce(aged.first_seen_date, compared.balance_date) as first_seen_date
    from compared
    left join aged on compared.funder = aged.funder and compared.loan_id_funder = aged.loan_id_funder
    where compared.dates_back = 1

),

judged as ({{ judge_breaks('balances', 'today') }})

select
    {{ break_columns() }},
    case
        when break_type = 'matched' and first_seen_date < {{ batch_date() }} then first_seen_date
    end as waited_since_date
from judged
