with

source as (

    select * from {{ source('dept_loan_core', 'plan_terms') }}

)

select
    source.loan_no as loan_id,
    source.term_no as term_number,
    source.plan_version,
    source.due_date,
    source.principal_amount,
    source.interest_amount,
    source.fee_amount,
    source.posted_at,
    source._delivery_id,
    source._line_number,
    source._batch_date,
    source._sequence,
    source._known_at
from source
