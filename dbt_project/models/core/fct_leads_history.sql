with

versions as ({{ conformed_history('leads', ['lead_id']) }}),

applications as (

    select * from {{ ref('int_applications_versioned') }}

),

-- A partner knows a phone by its SHA-256.
equivalents as (

    select * from {{ ref('int_identifier_equivalents') }}
    where kind = 'mobile'

),

-- A phone belongs to a customer only while exactly one anchor has used it: a shared or recycled phone attaches nobody.
phones as (

    select
        equivalents.sha256_token as mobile_sha256_token,
        min(applications.customer_id) as customer_id
    from applications
    inner join equivalents on applications.mobile_token = equivalents.token
    where applications._superseded_at is null
    group by equivalents.sha256_token
    having min(applications.customer_id) = max(applications.customer_id)

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
