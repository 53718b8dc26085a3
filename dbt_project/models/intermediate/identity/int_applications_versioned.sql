-- All versions of every application, with the masks that no published fact shows beside tokens.
with

versions as ({{ conformed_history('applications', ['application_id']) }})

select
    application_id,
    {{ customer_id('anchor_token') }} as customer_id,
    applied_at,
    requested_amount,
    term_count,
    monthly_income_amount,
    channel,
    lead_id,
    product_code,
    birth_date,
    name_masked,
    mobile_token,
    mobile_masked,
    is_test,
    _delivery_id,
    _line_number,
    _known_at,
    _superseded_at
from versions
