-- One row per card and department.
with

unioned as (

    select
        card_id,
        disposition_id,
        card_type,
        issued_date,
        'dept_branch' as department,
        _delivery_id,
        _line_number,
        _known_at
    from {{ ref('stg_dept_branch__cards') }}
    union all
    select
        card_id,
        disposition_id,
        card_type,
        issued_date,
        'dept_credit' as department,
        _delivery_id,
        _line_number,
        _known_at
    from {{ ref('stg_dept_credit__cards_train') }}
    union all
    select
        card_id,
        disposition_id,
        card_type,
        issued_date,
        'dept_credit' as department,
        _delivery_id,
        _line_number,
        _known_at
    from {{ ref('stg_dept_credit__cards_test') }}

)

select unioned.*
from unioned
inner join {{ ref('int_deliveries_current') }} as deliveries on unioned._delivery_id = deliveries.delivery_id
