-- BR-01: what the customers owe less what the funders still hold is what guarantors have paid and not got back. The
-- components are worked out from the payments themselves, not from the two balances.
with

dates as (

    select distinct as_of_date from {{ ref('fct_loan_days') }}

),

balances as (

    select
        as_of_date,
        sum(balance_before_compensation_amount) as before_compensation_amount,
        sum(balance_after_compensation_amount) as after_compensation_amount
    from {{ ref('fct_loan_days') }}
    group by as_of_date

),

compensated as (

    select
        loan_id,
        term_number,
        max(compensation_type) as compensation_type,
        min(paid_date) as compensated_date,
        sum(principal_amount) as compensated_amount
    from {{ ref('int_instalment_payments') }}
    where payer = 'guarantor'
    group by loan_id, term_number

),

recovered as (

    select
        dates.as_of_date,
        payments.loan_id,
        payments.term_number,
        sum(payments.principal_amount) as recovered_amount
    from {{ ref('int_instalment_payments') }} as payments
    inner join compensated
        on payments.loan_id = compensated.loan_id
        and payments.term_number = compensated.term_number
        and payments.paid_date > compensated.compensated_date
    inner join dates on payments.paid_date <= dates.as_of_date
    where payments.payer = 'customer'
    group by dates.as_of_date, payments.loan_id, payments.term_number

),

receivables as (

    select
        dates.as_of_date,
        sum(
            case
                when compensated.compensation_type = 'compensation'
                    then compensated.compensated_amount - coalesce(recovered.recovered_amount, 0)
                else 0
            end
        ) as compensated_outstanding_amount,
        sum(
            case
                when compensated.compensation_type = 'buyback'
                    then compensated.compensated_amount - coalesce(recovered.recovered_amount, 0)
                else 0
            end
        ) as buyback_outstanding_amount
    from compensated
    inner join dates on compensated.compensated_date <= dates.as_of_date
    left join recovered
        on dates.as_of_date = recovered.as_of_date
        and compensated.loan_id = recovered.loan_id
        and compensated.term_number = recovered.term_number
    group by dates.as_of_date

)

select
    balances.as_of_date,
    cast(balances.before_compensation_amount as decimal(18, 2)) as balance_before_compensation_amount,
    cast(balances.after_compensation_amount as decimal(18, 2)) as balance_after_compensation_amount,
    cast(balances.before_compensation_amount - balances.after_compensation_amount as decimal(18, 2))
        as difference_amount,
    cast(coalesce(receivables.compensated_outstanding_amount, 0) as decimal(18, 2)) as compensated_outstanding_amount,
    cast(coalesce(receivables.buyback_outstanding_amount, 0) as decimal(18, 2)) as buyback_outstanding_amount,
    cast(
        balances.before_compensation_amount - balances.after_compensation_amount
        - coalesce(receivables.compensated_outstanding_amount, 0)
        - coalesce(receivables.buyback_outstanding_amount, 0)
        as decimal(18, 2)
    ) as unexplained_amount
from balances
left join receivables on balances.as_of_date = receivables.as_of_date
