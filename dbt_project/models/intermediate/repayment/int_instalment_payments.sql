-- One row per payment on an instalment of a standing loan, by who paid. What the guarantor pays covers principal and
-- interest; the fee is the guarantor's own, so the view after compensation asks for principal and interest only.
with

instalments as (

    select instalments.*
    from {{ ref('fct_instalments_history') }} as instalments
    inner join {{ ref('fct_loans') }} as loans on instalments.loan_id = loans.loan_id
    where instalments._superseded_at is null and not loans.is_reversed

),

payments as (

    select
        loan_id,
        term_number,
        'customer' as payer,
        cast(null as string) as compensation_type,
        paid_date,
        principal_amount,
        interest_amount,
        fee_amount
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
        cast(0 as decimal(18, 2)) as fee_amount
    from {{ ref('fct_compensations') }}

)

select
    payments.loan_id,
    payments.term_number,
    payments.payer,
    payments.compensation_type,
    payments.paid_date,
    payments.principal_amount,
    cast(payments.principal_amount + payments.interest_amount as decimal(18, 2)) as principal_and_interest_amount,
    cast(payments.principal_amount + payments.interest_amount + payments.fee_amount as decimal(18, 2)) as paid_amount,
    instalments.principal_amount as due_principal_amount,
    cast(
        instalments.principal_amount + instalments.interest_amount as decimal(18, 2)
    ) as due_principal_and_interest_amount,
    instalments.instalment_amount as due_amount
from payments
inner join instalments
    on payments.loan_id = instalments.loan_id and payments.term_number = instalments.term_number
