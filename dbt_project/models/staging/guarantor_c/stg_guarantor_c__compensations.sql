with

source as (

    select * from {{ source('guarantor_c', 'compensations') }}

)

select
    source.pay_no as payment_id,
    source.guarantee_no as guarantee_id,
    banks.canonical as funder,
    source.fund_loan_no as loan_id_funder,
    source.term_no as term_number,
    source.paid_date,
    source.principal_amount,
    source.interest_amount,
    types.canonical as compensation_type,
    source._delivery_id,
    source._line_number,
    source._batch_date,
    source._sequence,
    source._known_at
from source
{{ join_code('banks', 'guarantor_c.bank', 'source.bank_code') }}
{{ join_code('types', 'guarantor_c.comp_type', 'source.comp_type_code') }}
