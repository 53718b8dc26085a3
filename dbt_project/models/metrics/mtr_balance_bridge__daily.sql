-- BR-01: what the customers owe less what the funders still hold is what guarantors have paid and not got back. The
-- components are summed from what each payment did, not from the two balances. An instalment's receivable is a buy-back
-- (回购) once a buy-back of it stands, and a compensation (代偿) before.
with

dates as ({{ as_of_dates() }}),

balances as (

    select
        as_of_date,
        sum(balance_before_compensation_amount) as before_compensation_amount,
        sum(balance_after_compensation_amount) as after_compensation_amount
    from {{ ref('fct_loan_days') }}
    group by as_of_date

),

guaranteed as (

    select distinct loan_id, term_number
    from {{ ref('int_instalment_payments_applied') }}
    where payer = 'guarantor'

),

receivables as (

    select
        dates.as_of_date,
        payments.loan_id,
        payments.term_number,
        sum(case when payments.payer = 'guarantor' then payments.to_funder_amount else 0 end)
        - sum(payments.recovered_amount) as outstanding_amount,
        sum(payments.buyback_count) as buyback_count
    from {{ ref('int_instalment_payments_applied') }} as payments
    inner join guaranteed
        on payments.loan_id = guaranteed.loan_id and payments.term_number = guaranteed.term_number
    inner join dates on payments.paid_date <= dates.as_of_date
    inner join {{ ref('fct_loans') }} as loans
        on payments.loan_id = loans.loan_id and {{ loan_stands('loans', 'dates.as_of_date') }}
    group by dates.as_of_date, payments.loan_id, payments.term_number

),

components as (

    select
        as_of_date,
        sum(case when buyback_count > 0 then 0 else outstanding_amount end) as compensated_outstanding_amount,
        sum(case when buyback_count > 0 then outstanding_amount else 0 end) as buyback_outstanding_amount
    from receivables
    group by as_of_date

)

select
    balances.as_of_date,
    cast(balances.before_compensation_amount as decimal(18, 2)) as balance_before_compensation_amount,
    cast(balances.after_compensation_amount as decimal(18, 2)) as balance_after_compensation_amount,
    cast(balances.before_compensation_amount - balances.after_compensation_amount as decimal(18, 2))
        as difference_amount,
    cast(coalesce(components.compensated_outstanding_amount, 0) as decimal(18, 2)) as compensated_outstanding_amount,
    cast(coalesce(components.buyback_outstanding_amount, 0) as decimal(18, 2)) as buyback_outstanding_amount,
    cast(
        balances.before_compensation_amount - balances.after_compensation_amount
        - coalesce(components.compensated_outstanding_amount, 0)
        - coalesce(components.buyback_outstanding_amount, 0)
        as decimal(18, 2)
    ) as unexplained_amount
from balances
left join components on balances.as_of_date = components.as_of_date
