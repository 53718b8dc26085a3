-- One row per client and department.
with

unioned as (

    select
        client_id,
        birth_date,
        sex,
        district_id,
        'dept_branch' as department,
        _delivery_id,
        _line_number,
        _known_at
    from {{ ref('stg_dept_branch__clients') }}
    union all
    select
        client_id,
        birth_date,
        sex,
        district_id,
        'dept_credit' as department,
        _delivery_id,
        _line_number,
        _known_at
    from {{ ref('stg_dept_credit__clients') }}

)

select unioned.*
from unioned
inner join {{ ref('int_deliveries_current') }} as deliveries on unioned._delivery_id = deliveries.delivery_id
