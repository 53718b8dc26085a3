select
    applications.application_id,
    applications.customer_id,
    applications.applied_at,
    {{ business_date('applications.applied_at') }} as applied_date,
    applications.requested_amount,
    applications.term_count,
    applications.monthly_income_amount,
    applications.channel,
    applications.lead_id,
    applications.product_code,
    applications.is_test,
    coalesce(decisions.decision, 'pending') as decision,
    decisions.approved_amount,
    decisions.risk_score,
    decisions.strategy_version,
    decisions.reason_code,
    decisions.decided_at,
    {{ business_date('decisions.decided_at') }} as decided_date,
    applications._delivery_id,
    applications._line_number,
    greatest(applications._known_at, coalesce(decisions._known_at, applications._known_at)) as _known_at
from {{ ref('fct_applications_history') }} as applications
left join {{ ref('fct_decisions') }} as decisions on applications.application_id = decisions.application_id
where applications._superseded_at is null
