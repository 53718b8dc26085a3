with

source as (

    select * from {{ source('dept_service', 'tickets') }}

)

select
    source.ticket_no as ticket_id,
    source.cert_no_token as anchor_token,
    source.customer_name_masked as name_masked,
    source.mobile_token,
    source.mobile_masked,
    channels.canonical as channel,
    categories.canonical as category,
    source.content,
    source.opened_at,
    source.closed_at,
    source.satisfaction_score,
    statuses.canonical as ticket_status,
    source.changed_at,
    source._delivery_id,
    source._line_number,
    source._batch_date,
    source._sequence,
    source._known_at
from source
{{ join_code('channels', 'dept_service.channel', 'source.channel_code') }}
{{ join_code('categories', 'dept_service.category', 'source.category_code') }}
{{ join_code('statuses', 'dept_service.status', 'source.status_code') }}
