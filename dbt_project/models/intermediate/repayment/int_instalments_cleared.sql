-- One row per instalment on which anything was paid: when it was cleared, if it is, by the customer (代偿前) and for the
-- funder (代偿后), and when the last payment that says so was known.
with

known as (

    select loan_id, term_number, max(_known_at) as _known_at
    from {{ ref('int_instalment_payments') }}
    group by loan_id, term_number

)

select
    states.loan_id,
    states.term_number,
    states.cleared_date_before_compensation,
    states.cleared_date_after_compensation,
    known._known_at
from {{ ref('int_instalment_states') }} as states
inner join known on states.loan_id = known.loan_id and states.term_number = known.term_number
where states.valid_to is null
