with

source as (

    select * from {{ source('dept_risk', 'applications') }}

)

select
    source.application_no as application_id,
    source.cert_no_token as anchor_token,
    source.cert_no_birth_date as birth_date,
    source.customer_name_masked as name_masked,
    source.mobile_token,
    source.mobile_masked,
    channels.canonical as channel,
    source.lead_id,
    source.product_code,
    source.requested_amount,
    source.term_count,
    source.monthly_income_amount,
    source.is_test,
    source.applied_at,
    source._delivery_id,
    source._line_number,
    source._batch_date,
    source._sequence,
    source._known_at
from source
{{ join_code('channels', 'dept_risk.channel', 'source.channel_code') }}
