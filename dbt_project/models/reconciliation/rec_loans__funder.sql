-- X63: each loan of the loan core against the funder's payout file, by the funder's number. Tolerance 0.00.
with

core as (

    select loan_id_funder, loan_id, principal_amount, funded_date
    from {{ ref('fct_loans') }}
    where not is_reversed

),

reversed as (

    select distinct loan_id_funder
    from {{ ref('fct_funder_loans_history') }}
    where _superseded_at is null and loan_event = 'reversed'

),

funder as (

    select
        payouts.loan_id_funder,
        payouts.loan_id,
        payouts.principal_amount,
        {{ business_date('payouts.funded_at') }} as funded_date
    from {{ ref('fct_funder_loans_history') }} as payouts
    left join reversed on payouts.loan_id_funder = reversed.loan_id_funder
    where payouts._superseded_at is null and payouts.loan_event = 'funded' and reversed.loan_id_funder is null

)

select
    coalesce(core.loan_id_funder, funder.loan_id_funder) as loan_id_funder,
    coalesce(core.loan_id, funder.loan_id) as loan_id,
    case
        when funder.loan_id_funder is null then 'only_left'
        when core.loan_id_funder is null then 'only_right'
        when core.principal_amount <> funder.principal_amount then 'amount_diff'
        when core.funded_date <> funder.funded_date then 'date_diff'
        else 'matched'
    end as break_type,
    cast(coalesce(core.principal_amount, 0) as decimal(18, 2)) as core_amount,
    cast(coalesce(funder.principal_amount, 0) as decimal(18, 2)) as funder_amount,
    cast(coalesce(core.principal_amount, 0) - coalesce(funder.principal_amount, 0) as decimal(18, 2))
        as amount_difference_amount
from core
full outer join funder on core.loan_id_funder = funder.loan_id_funder
