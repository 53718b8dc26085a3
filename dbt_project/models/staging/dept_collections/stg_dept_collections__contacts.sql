with

source as (

    select * from {{ source('dept_collections', 'contacts') }}

)

select
    source.contact_no as contact_id,
    source.case_no as case_id,
    source.contacted_at,
    channels.canonical as channel,
    source.agent_no,
    results.canonical as contact_result,
    source.duration_seconds,
    source.promised_date,
    source.promised_amount,
    source.remark,
    source._delivery_id,
    source._line_number,
    source._batch_date,
    source._sequence,
    source._known_at
from source
{{ join_code('channels', 'dept_collections.channel', 'source.channel_code') }}
{{ join_code('results', 'dept_collections.result', 'source.result_code') }}
