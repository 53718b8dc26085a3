with

source as (

    select * from {{ source('traffic_e', 'leads') }}

)

select
    source.lead_id,
    source.phone_sha256_token as mobile_sha256_token,
    channels.canonical as channel,
    source.campaign,
    cast(source.cost_amount_fen as decimal(18, 0)) * 0.01 as cost_amount,
    source.created_at,
    source._delivery_id,
    source._line_number,
    source._batch_date,
    source._sequence,
    source._known_at
from source
{{ join_code('channels', 'traffic_e.channel', 'source.channel_code') }}
