with

source as (

    select * from {{ source('dept_app', 'registrations') }}

)

select
    source.user_id,
    source.registered_at,
    source.mobile_token,
    source.mobile_masked,
    channels.canonical as channel,
    source.device_id_token,
    source.device_os,
    source.device_model,
    source.app_version,
    source.app_store,
    source._delivery_id,
    source._line_number,
    source._batch_date,
    source._sequence,
    source._known_at
from source
{{ join_code('channels', 'dept_app.channel', 'source.channel_code') }}
