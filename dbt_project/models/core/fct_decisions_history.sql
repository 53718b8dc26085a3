with

versions as ({{ conformed_history('decisions', ['application_id']) }}),

applicants as ({{ known_last(ref('fct_applications_history'), 'application_id', ['customer_id']) }})

select
    versions.application_id,
    applicants.customer_id,
    versions.decision,
    versions.approved_amount,
    versions.risk_score,
    versions.strategy_version,
    versions.reason_code,
    versions.decided_at,
    versions._delivery_id,
    versions._line_number,
    versions._known_at,
    versions._superseded_at
from versions
left join applicants on versions.application_id = applicants.application_id
