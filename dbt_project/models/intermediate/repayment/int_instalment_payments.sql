-- One row per instalment, payer and date on which money moved on it, net of what went back that day. What the guarantor
-- pays covers principal and interest; the fee is the guarantor's own, so the view after compensation asks for principal
-- and interest only. A payment on a term that the current plan no longer has counts, against nothing due.
with

payments as (

    select
        loan_id,
        term_number,
        'customer' as payer,
        cast(null as string) as compensation_type,
        paid_date,
        principal_amount,
        interest_amount,
        fee_amount,
        _known_at
    from {{ ref('fct_repayments') }}

    union all

    select
        loan_id,
        term_number,
        'guarantor' as payer,
        compensation_type,
        compensated_date as paid_date,
        principal_amount,
        interest_amount,
        cast(0 as decimal(18, 2)) as fee_amount,
        _known_at
    from {{ ref('fct_compensations') }}
    where loan_id is not null

),

daily as (

    select
        loan_id,
        term_number,
        payer,
        compensation_type,
        paid_date,
        sum(principal_amount) as principal_amount,
        sum(principal_amount + interest_amount) as principal_and_interest_amount,
        sum(principal_amount + interest_amount + fee_amount) as paid_amount,
        sum(
            case
                when compensation_type <> 'buyback' or compensation_type is null then 0
                when principal_amount + interest_amount < 0 then -1
                else 1
            end
        ) as buyback_count,
        max(_known_at) as _known_at
    from payments
    group by loan_id, term_number, payer, compensation_type, paid_date

)

select
    daily.loan_id,
    daily.term_number,
    daily.payer,
    daily.compensation_type,
    daily.paid_date,
    cast(daily.principal_amount as decimal(18, 2)) as principal_amount,
    cast(daily.principal_and_interest_amount as decimal(18, 2)) as principal_and_interest_amount,
    cast(daily.paid_amount as decimal(18, 2)) as paid_amount,
    cast(daily.buyback_count as int) as buyback_count,
    instalments.principal_amount as due_principal_amount,
    cast(
        instalments.principal_amount + instalments.interest_amount as decimal(18, 2)
    ) as due_principal_and_interest_amount,
    instalments.instalment_amount as due_amount,
    daily._known_at
from daily
left join {{ ref('fct_instalments_history') }} as instalments
    on daily.loan_id = instalments.loan_id
    and daily.term_number = instalments.term_number
    and instalments._superseded_at is null
