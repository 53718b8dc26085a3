with

source as (

    select * from {{ source('dept_credit', 'loans_train') }}

)

select
    source.loan_id,
    source.account_id,
    source.granted_date,
    source.principal_amount,
    source.term_count,
    source.instalment_amount,
    outcomes.canonical as outcome,
    source._delivery_id,
    source._line_number,
    source._batch_date,
    source._sequence,
    source._known_at
from source
left join {{ ref('ref_bank_codes') }} as outcomes
    on outcomes.code_set = 'dept_credit.status' and outcomes.code = source.status_code
