with

source as (

    select * from {{ source('dept_compliance', 'consents') }}

)

select
    source.event_no as consent_event_id,
    source.cert_no_token as anchor_token,
    events.canonical as event,
    source.purpose_code as purpose,
    source.recipient_code as recipient,
    kinds.canonical as consent_kind,
    source.text_version,
    source.occurred_at,
    source.valid_to,
    source._delivery_id,
    source._line_number,
    source._batch_date,
    source._sequence,
    source._known_at
from source
{{ join_code('events', 'dept_compliance.event', 'source.event_code') }}
{{ join_code('kinds', 'dept_compliance.consent_kind', 'source.consent_kind_code') }}
