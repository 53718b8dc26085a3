-- X68: the funder's balance file of the batch date against the balance after compensation, loan by loan.
with

core as (

    select loan_id_funder, loan_id, balance_after_compensation_amount as balance_amount
    from {{ ref('fct_loan_days') }}
    where as_of_date = {{ batch_date() }} and balance_after_compensation_amount > 0

),

funder as (

    select loan_id_funder, balance_amount
    from {{ ref('fct_funder_balances_history') }}
    where _superseded_at is null and balance_date = {{ batch_date() }}

)

select
    coalesce(core.loan_id_funder, funder.loan_id_funder) as loan_id_funder,
    core.loan_id,
    case
        when funder.loan_id_funder is null then 'only_left'
        when core.loan_id_funder is null then 'only_right'
        when core.balance_amount <> funder.balance_amount then 'amount_diff'
        else 'matched'
    end as break_type,
    cast(coalesce(core.balance_amount, 0) as decimal(18, 2)) as core_amount,
    cast(coalesce(funder.balance_amount, 0) as decimal(18, 2)) as funder_amount,
    cast(coalesce(core.balance_amount, 0) - coalesce(funder.balance_amount, 0) as decimal(18, 2))
        as amount_difference_amount
from core
full outer join funder on core.loan_id_funder = funder.loan_id_funder
