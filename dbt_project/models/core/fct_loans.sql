with

events as (

    select * from {{ ref('fct_loans_history') }}
    where _superseded_at is null

),

reversals as (

    select loan_id, min(posted_at) as reversed_at, max(_known_at) as known_at
    from events
    where loan_event = 'reversed'
    group by loan_id

)

select
    events.loan_id,
    events.application_id,
    events.customer_id,
    events.loan_id_funder,
    events.funder,
    events.guarantor,
    events.product_code,
    events.repay_method,
    events.principal_amount,
    events.term_count,
    events.nominal_annual_rate,
    events.funded_at,
    {{ business_date('events.funded_at') }} as funded_date,
    events.booked_date,
    events.value_date,
    reversals.reversed_at,
    {{ business_date('reversals.reversed_at') }} as reversed_date,
    coalesce(reversals.reversed_at is not null, false) as is_reversed,
    events._delivery_id,
    events._line_number,
    greatest(events._known_at, coalesce(reversals.known_at, events._known_at)) as _known_at
from events
left join reversals on events.loan_id = reversals.loan_id
where events.loan_event = 'funded'
