with

versions as ({{ conformed_history('leads', ['lead_id']) }}),

-- A phone belongs to a customer only while exactly one anchor has used it: a shared or recycled phone attaches nobody.
phones as (

    select mobile_sha256_token, min(customer_id) as customer_id
    from {{ ref('int_applications_versioned') }}
    where _superseded_at is null and mobile_sha256_token is not null
    group by mobile_sha256_token
    having min(customer_id) = max(customer_id)

)

select
    versions.lead_id,
    phones.customer_id,
    versions.mobile_sha256_token,
    versions.channel,
    versions.campaign,
    versions.cost_amount,
    versions.created_at,
    versions._delivery_id,
    versions._line_number,
    versions._known_at,
    versions._superseded_at
from versions
left join phones on versions.mobile_sha256_token = phones.mobile_sha256_token
