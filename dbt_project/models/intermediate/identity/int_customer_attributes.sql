-- One row per customer: attributes survive from the latest application (最新申请优先). Masks and tokens of one identifier
-- part ways here: the customer 360 shows the masks, the dimension keeps the tokens (DOMAIN.md 4.4).
with

ranked as (

    select
        *,
        row_number() over (
            partition by customer_id order by applied_at desc nulls last, application_id desc nulls last
        ) as place
    from {{ ref('int_applications_versioned') }}
    where _superseded_at is null

)

select
    customer_id,
    birth_date,
    name_masked,
    mobile_token,
    mobile_masked,
    channel,
    is_test
from ranked
where place = 1
