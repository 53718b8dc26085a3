with

versions as ({{ conformed_history('consents', ['consent_event_id']) }})

select
    consent_event_id,
    {{ customer_id('anchor_token') }} as customer_id,
    event,
    purpose,
    recipient,
    consent_kind,
    text_version,
    occurred_at,
    valid_to,
    _delivery_id,
    _line_number,
    _known_at,
    _superseded_at
from versions
