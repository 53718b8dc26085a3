-- What each payment did, one row per row of int_instalment_payments, so that every balance is a sum of movements.
--
-- A customer's payment lowers what the customer owes (debt), and a guarantor's what the funder is owed; the funder is
-- paid once: what the customer pays on an instalment that the guarantor has paid goes to the guarantor (recovered), and
-- what either pays beyond the instalment lowers nothing (M50: overpaid, in suspense). Money that goes back does the
-- same with the other sign. Within a day the customer is taken to pay before the guarantor.
with

running as (

    select
        payments.*,
        sum(principal_amount) over (
            partition by loan_id, term_number
            order by
                paid_date nulls last,
                case when payer = 'customer' then 0 when compensation_type = 'compensation' then 1 else 2 end nulls last
            rows between unbounded preceding and current row
        ) as by_anyone_amount,
        sum(case when payer = 'customer' then principal_amount else 0 end) over (
            partition by loan_id, term_number
            order by
                paid_date nulls last,
                case when payer = 'customer' then 0 when compensation_type = 'compensation' then 1 else 2 end nulls last
            rows between unbounded preceding and current row
        ) as by_customer_amount
    from {{ ref('int_instalment_payments') }} as payments

),

applied as (

    select
        running.*,
        {{ within('due_principal_amount', 'by_anyone_amount') }}
        - {{ within('due_principal_amount', '(by_anyone_amount - principal_amount)') }} as to_funder_amount,
        case
            when payer = 'customer'
                then
                    {{ within('due_principal_amount', 'by_customer_amount') }}
                    - {{ within('due_principal_amount', '(by_customer_amount - principal_amount)') }}
            else 0
        end as to_debt_amount
    from running

)

select
    loan_id,
    term_number,
    payer,
    compensation_type,
    paid_date,
    buyback_count,
    cast(to_debt_amount as decimal(18, 2)) as to_debt_amount,
    cast(to_funder_amount as decimal(18, 2)) as to_funder_amount,
    cast(
        case when payer = 'customer' then to_debt_amount - to_funder_amount else 0 end as decimal(18, 2)
    ) as recovered_amount
from applied
