with

source as (

    select * from {{ source('dept_loan_core', 'repayments') }}

)

select
    source.repay_no as repayment_id,
    source.loan_no as loan_id,
    source.term_no as term_number,
    source.paid_at,
    source.principal_amount,
    source.interest_amount,
    source.fee_amount,
    source.penalty_amount,
    methods.canonical as payment_method,
    types.canonical as repay_type,
    source._delivery_id,
    source._line_number,
    source._batch_date,
    source._sequence,
    source._known_at
from source
{{ join_code('methods', 'dept_loan_core.payment_method', 'source.payment_method_code') }}
{{ join_code('types', 'dept_loan_core.repay_type', 'source.repay_type_code') }}
