-- X63: each loan of the loan core against the funder's payout file, by the funder's number.
with

deliveries as (

    select delivery_id, batch_date from {{ ref('int_deliveries_ordered') }}

),

core as (

    select
        loans.funder,
        loans.loan_id_funder,
        loans.loan_id,
        loans.principal_amount,
        loans.funded_date,
        deliveries.batch_date
    from {{ ref('fct_loans') }} as loans
    left join deliveries on loans._delivery_id = deliveries.delivery_id
    where not loans.is_reversed

),

reversed as (

    select distinct funder, loan_id_funder
    from {{ ref('fct_funder_loans_history') }}
    where _superseded_at is null and loan_event = 'reversed'

),

funder as (

    select
        payouts.funder,
        payouts.loan_id_funder,
        payouts.loan_id,
        payouts.principal_amount,
        {{ business_date('payouts.funded_at') }} as funded_date,
        payouts._batch_date as batch_date
    from {{ ref('fct_funder_loans_history') }} as payouts
    left join reversed
        on payouts.funder = reversed.funder and payouts.loan_id_funder = reversed.loan_id_funder
    where payouts._superseded_at is null and payouts.loan_event = 'funded' and reversed.loan_id_funder is null

),

compared as (

    select
        coalesce(core.funder, funder.funder) as funder,
        coalesce(core.loan_id_funder, funder.loan_id_funder) as loan_id_funder,
        coalesce(core.loan_id, funder.loan_id) as loan_id,
        core.principal_amount as core_amount,
        funder.principal_amount as funder_amount,
        core.funded_date as core_date,
        funder.funded_date as funder_date,
        greatest(
            coalesce(core.batch_date, funder.batch_date), coalesce(funder.batch_date, core.batch_date)
        ) as first_seen_date,
        -- Matched by what came today, after one side had waited for the other (挂账次日勾兑).
        case
            when
                core.batch_date <> funder.batch_date
                and greatest(core.batch_date, funder.batch_date) = {{ batch_date() }}
                then least(core.batch_date, funder.batch_date)
        end as waited_since_date
    from core
    full outer join funder on core.funder = funder.funder and core.loan_id_funder = funder.loan_id_funder

),

judged as ({{ judge_breaks('loans', 'compared') }})

select
    {{ break_columns() }},
    case when break_type = 'matched' then waited_since_date end as waited_since_date
from judged
