with

source as (

    select * from {{ source('dept_collections', 'cases') }}

)

select
    source.case_no as case_id,
    source.version as case_version,
    source.loan_no as loan_id,
    source.cert_no_token as anchor_token,
    source.customer_name_masked as name_masked,
    source.mobile_token,
    source.mobile_masked,
    stages.canonical as stage,
    source.agency_code,
    source.opened_date,
    source.closed_date,
    source.assigned_until_date,
    source.overdue_amount,
    source.overdue_term_count,
    source.commission_rate_per_mille * 0.001 as commission_rate,
    source.changed_date,
    source._delivery_id,
    source._line_number,
    source._batch_date,
    source._sequence,
    source._known_at
from source
{{ join_code('stages', 'dept_collections.stage', 'source.stage_code') }}
