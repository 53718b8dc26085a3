with

source as (

    select * from {{ source('dept_risk', 'decisions') }}

)

select
    source.application_no as application_id,
    decisions.canonical as decision,
    source.approved_amount,
    source.risk_score,
    source.strategy_version,
    source.reason_code,
    source.decided_at,
    source._delivery_id,
    source._line_number,
    source._batch_date,
    source._sequence,
    source._known_at
from source
{{ join_code('decisions', 'dept_risk.decision', 'source.decision_code') }}
