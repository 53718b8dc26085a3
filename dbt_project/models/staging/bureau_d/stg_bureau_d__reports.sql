with

source as (

    select * from {{ source('bureau_d', 'reports') }}

)

select
    source.query_no as query_id,
    source.auth_no as consent_event_id,
    source.purpose_code as query_purpose,
    source.id_sm3_token as cert_no_sm3_token,
    source.phone_md5_token as mobile_md5_token,
    source.reported_at,
    source.score,
    bands.canonical as balance_band,
    source.overdue_count_24m,
    source.institution_count_7d,
    source.institution_count_30d,
    source.institution_count_90d,
    source.institution_count_180d,
    source.bank_count_180d,
    source.consumer_finance_count_180d,
    source.micro_loan_count_180d,
    source._delivery_id,
    source._line_number,
    source._batch_date,
    source._sequence,
    source._known_at
from source
{{ join_code('bands', 'bureau_d.balance_band', 'source.balance_band_code') }}
