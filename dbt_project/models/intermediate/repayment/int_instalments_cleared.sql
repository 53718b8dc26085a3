-- One row per instalment that is cleared in at least one view: by the customer (代偿前), or for the funder (代偿后).
with

by_customer as (

    select loan_id, term_number, paid_date, paid_amount, due_amount
    from {{ ref('int_instalment_payments') }}
    where payer = 'customer'

),

for_funder as (

    select
        loan_id,
        term_number,
        paid_date,
        principal_and_interest_amount as paid_amount,
        due_principal_and_interest_amount as due_amount
    from {{ ref('int_instalment_payments') }}

),

before_compensation as ({{ cleared_dates('by_customer', ['loan_id', 'term_number']) }}),

after_compensation as ({{ cleared_dates('for_funder', ['loan_id', 'term_number']) }})

select
    coalesce(before_compensation.loan_id, after_compensation.loan_id) as loan_id,
    coalesce(before_compensation.term_number, after_compensation.term_number) as term_number,
    before_compensation.cleared_date as cleared_date_before_compensation,
    after_compensation.cleared_date as cleared_date_after_compensation
from before_compensation
full outer join after_compensation
    on before_compensation.loan_id = after_compensation.loan_id
    and before_compensation.term_number = after_compensation.term_number
