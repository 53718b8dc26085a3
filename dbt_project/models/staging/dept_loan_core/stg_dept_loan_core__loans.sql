with

source as (

    select * from {{ source('dept_loan_core', 'loans') }}

)

select
    source.loan_no as loan_id,
    statuses.canonical as loan_event,
    source.application_no as application_id,
    source.cert_no_token as anchor_token,
    source.fund_loan_no as loan_id_funder,
    funders.canonical as funder,
    guarantors.canonical as guarantor,
    source.product_code,
    methods.canonical as repay_method,
    source.principal_amount,
    source.term_count,
    source.nominal_annual_rate_percent * 0.01 as nominal_annual_rate,
    source.funded_at,
    source.booked_date,
    source.value_date,
    source.posted_at,
    source._delivery_id,
    source._line_number,
    source._batch_date,
    source._sequence,
    source._known_at
from source
{{ join_code('statuses', 'dept_loan_core.status', 'source.status_code') }}
{{ join_code('funders', 'dept_loan_core.funder', 'source.funder_code') }}
{{ join_code('guarantors', 'dept_loan_core.guarantor', 'source.guarantor_code') }}
{{ join_code('methods', 'dept_loan_core.repay_method', 'source.repay_method_code') }}
