with

sightings as (

    select customer_id, applied_at as seen_at from {{ ref('fct_applications_history') }}
    union all
    select customer_id, funded_at as seen_at from {{ ref('fct_loans_history') }}
    union all
    select customer_id, occurred_at as seen_at from {{ ref('fct_consents_history') }}

),

customers as (

    select customer_id, min(seen_at) as first_seen_at
    from sightings
    where customer_id is not null
    group by customer_id

),

-- Attributes survive from the customer's latest application (最新申请优先).
attributes as (

    select
        *,
        row_number() over (
            partition by customer_id order by applied_at desc nulls last, application_id desc nulls last
        ) as place
    from {{ ref('fct_applications_history') }}
    where _superseded_at is null

)

select
    customers.customer_id,
    attributes.birth_date,
    attributes.name_masked,
    attributes.mobile_token,
    attributes.mobile_masked,
    attributes.channel as latest_channel,
    customers.first_seen_at,
    coalesce(attributes.is_test, false) as is_test
from customers
left join attributes on customers.customer_id = attributes.customer_id and attributes.place = 1
