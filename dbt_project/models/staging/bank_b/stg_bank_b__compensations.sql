with

source as (

    select * from {{ source('bank_b', 'compensations') }}

)

select
    source.comp_no as compensation_id,
    source.fund_loan_no as loan_id_funder,
    'bank_b' as funder,
    source.term_no as term_number,
    source.compensated_date,
    source.principal_amount,
    source.interest_amount,
    types.canonical as compensation_type,
    source._delivery_id,
    source._line_number,
    source._batch_date,
    source._sequence,
    source._known_at
from source
{{ join_code('types', 'bank_b.comp_type', 'source.comp_type_code') }}
