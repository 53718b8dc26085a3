with

instalments as (

    select * from {{ ref('fct_instalments_history') }}
    where _superseded_at is null

)

select
    instalments.loan_id,
    instalments.term_number,
    instalments.customer_id,
    instalments.plan_version,
    instalments.due_date,
    instalments.principal_amount,
    instalments.interest_amount,
    instalments.fee_amount,
    instalments.instalment_amount,
    cleared.cleared_date_before_compensation,
    cleared.cleared_date_after_compensation,
    {{ dpd_ever('cleared.cleared_date_before_compensation', 'instalments.due_date', batch_date()) }}
        as dpd_ever_before_compensation,
    {{ dpd_ever('cleared.cleared_date_after_compensation', 'instalments.due_date', batch_date()) }}
        as dpd_ever_after_compensation,
    instalments._delivery_id,
    instalments._line_number,
    greatest(instalments._known_at, coalesce(cleared._known_at, instalments._known_at)) as _known_at
from instalments
left join {{ ref('int_instalments_cleared') }} as cleared
    on instalments.loan_id = cleared.loan_id and instalments.term_number = cleared.term_number
