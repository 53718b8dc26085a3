select
    application_id,
    customer_id,
    applied_at,
    requested_amount,
    term_count,
    monthly_income_amount,
    channel,
    lead_id,
    product_code,
    birth_date,
    mobile_token,
    is_test,
    _delivery_id,
    _line_number,
    _known_at,
    _superseded_at
from {{ ref('int_applications_versioned') }}
