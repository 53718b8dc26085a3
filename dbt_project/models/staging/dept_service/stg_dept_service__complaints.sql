with

source as (

    select * from {{ source('dept_service', 'complaints') }}

)

select
    source.complaint_no as complaint_id,
    source.ticket_no as ticket_id,
    source.cert_no_token as anchor_token,
    source.customer_name_masked as name_masked,
    source.mobile_token,
    source.mobile_masked,
    source.received_date,
    sources.canonical as complaint_source,
    categories.canonical as category,
    source.demanded_amount,
    source.description,
    source.reply_due_date,
    source._delivery_id,
    source._line_number,
    source._batch_date,
    source._sequence,
    source._known_at
from source
{{ join_code('sources', 'dept_service.complaint_source', 'source.source_code') }}
{{ join_code('categories', 'dept_service.category', 'source.category_code') }}
