with

source as (

    select * from {{ source('bank_b', 'loans') }}

)

select
    source.fund_loan_no as loan_id_funder,
    statuses.canonical as loan_event,
    'bank_b' as funder,
    source.loan_no as loan_id,
    source.cert_no_token as anchor_token,
    source.principal_amount,
    source.term_count,
    source.nominal_annual_rate,
    methods.canonical as repay_method,
    source.funded_at,
    source.value_date,
    source.maturity_date,
    source._delivery_id,
    source._line_number,
    source._batch_date,
    source._sequence,
    source._known_at
from source
{{ join_code('statuses', 'bank_b.status', 'source.status_code') }}
{{ join_code('methods', 'bank_b.repay_method', 'source.repay_method_code') }}
