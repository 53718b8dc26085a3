-- One row per disposition and department.
with

unioned as (

    select
        disposition_id,
        client_id,
        account_id,
        holder_role,
        'dept_branch' as department,
        _delivery_id,
        _line_number,
        _known_at
    from {{ ref('stg_dept_branch__dispositions') }}
    union all
    select
        disposition_id,
        client_id,
        account_id,
        holder_role,
        'dept_credit' as department,
        _delivery_id,
        _line_number,
        _known_at
    from {{ ref('stg_dept_credit__dispositions') }}

)

select unioned.*
from unioned
inner join {{ ref('int_deliveries_current') }} as deliveries on unioned._delivery_id = deliveries.delivery_id
