-- FPD0 by amount (DLQ-05) by due date: of what fell due as first instalments, the share unpaid at the end of the due
-- day. Only payments of that instalment count, less what went back by then; a loan counts if it stands on that day.
with

firsts as (

    select
        instalments.loan_id,
        instalments.due_date,
        instalments.principal_amount + instalments.interest_amount as due_amount,
        coalesce(
            sum(
                case
                    when payments.payer = 'customer' and payments.paid_date <= instalments.due_date
                        then payments.principal_and_interest_amount
                end
            ), 0
        ) as paid_by_due_amount
    from {{ ref('fct_instalments') }} as instalments
    inner join {{ ref('fct_loans') }} as loans
        on instalments.loan_id = loans.loan_id and {{ loan_stands('loans', 'instalments.due_date') }}
    left join {{ ref('int_instalment_payments') }} as payments
        on instalments.loan_id = payments.loan_id and instalments.term_number = payments.term_number
    where instalments.term_number = 1 and instalments.due_date <= {{ batch_date() }}
    group by
        instalments.loan_id,
        instalments.due_date,
        instalments.principal_amount + instalments.interest_amount

)

select
    due_date,
    cast(sum(due_amount) as decimal(18, 2)) as due_amount,
    cast(sum(least(paid_by_due_amount, due_amount)) as decimal(18, 2)) as paid_by_due_amount,
    {{ rate('sum(due_amount) - sum(least(paid_by_due_amount, due_amount))', 'sum(due_amount)') }}
        as first_payment_unpaid_rate
from firsts
group by due_date
