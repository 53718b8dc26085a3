-- One row per loan: who owes it, under our number and the funder's.
select
    loan_id,
    min(customer_id) as customer_id,
    min(loan_id_funder) as loan_id_funder
from {{ ref('fct_loans_history') }}
group by loan_id
