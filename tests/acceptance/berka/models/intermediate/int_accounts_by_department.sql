-- One row per account and department.
with

unioned as (

    select
        account_id,
        district_id,
        statement_frequency,
        opened_date,
        'dept_branch' as department,
        _delivery_id,
        _line_number,
        _known_at
    from {{ ref('stg_dept_branch__accounts') }}
    union all
    select
        account_id,
        district_id,
        statement_frequency,
        opened_date,
        'dept_credit' as department,
        _delivery_id,
        _line_number,
        _known_at
    from {{ ref('stg_dept_credit__accounts') }}

)

select unioned.*
from unioned
inner join {{ ref('int_deliveries_current') }} as deliveries on unioned._delivery_id = deliveries.delivery_id
