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

)

select
    customers.customer_id,
    attributes.birth_date,
    attributes.mobile_token,
    attributes.channel as latest_channel,
    customers.first_seen_at,
    coalesce(attributes.is_test, false) as is_test
from customers
left join {{ ref('int_customer_attributes') }} as attributes on customers.customer_id = attributes.customer_id
