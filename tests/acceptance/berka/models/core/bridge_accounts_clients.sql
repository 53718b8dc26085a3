-- One row per client and account that the client may dispose of.
with

ranked as (

    select
        *,
        row_number() over (partition by disposition_id order by department nulls last) as place
    from {{ ref('int_dispositions_by_department') }}

)

select
    disposition_id,
    account_id,
    client_id,
    holder_role,
    department,
    _delivery_id,
    _line_number,
    _known_at
from ranked
where place = 1
