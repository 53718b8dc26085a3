-- One row per client. Where both departments know one, branch operations' row stands;
-- the reconciliation tells of any difference.
with

ranked as (

    select
        *,
        row_number() over (partition by client_id order by department nulls last) as place
    from {{ ref('int_clients_by_department') }}

)

select
    client_id,
    birth_date,
    sex,
    district_id,
    department,
    _delivery_id,
    _line_number,
    _known_at
from ranked
where place = 1
