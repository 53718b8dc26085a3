with

source as (

    select * from {{ source('bank_a', 'loans') }}

)

select
    source.fund_loan_no as loan_id_funder,
    statuses.canonical as loan_event,
    'bank_a' as funder,
    source.loan_no as loan_id,
    source.cert_no_token as anchor_token,
    cast(source.principal_amount_fen as decimal(18, 0)) * 0.01 as principal_amount,
    source.funded_at,
    source.value_date,
    source._delivery_id,
    source._line_number,
    source._batch_date,
    source._sequence,
    source._known_at
from source
{{ join_code('statuses', 'bank_a.status', 'source.status_code') }}
