with

versions as ({{ conformed_history('loans', ['loan_id', 'loan_event']) }})

select
    loan_id,
    loan_event,
    application_id,
    {{ customer_id('anchor_token') }} as customer_id,
    loan_id_funder,
    funder,
    guarantor,
    product_code,
    repay_method,
    principal_amount,
    term_count,
    nominal_annual_rate,
    funded_at,
    booked_date,
    value_date,
    posted_at,
    _delivery_id,
    _line_number,
    _known_at,
    _superseded_at
from versions
