-- One row per account. Where both departments know one, branch operations' row stands;
-- the reconciliation tells of any difference.
with

ranked as (

    select
        *,
        row_number() over (partition by account_id order by department nulls last) as place
    from {{ ref('int_accounts_by_department') }}

)

select
    account_id,
    district_id,
    statement_frequency,
    opened_date,
    department,
    _delivery_id,
    _line_number,
    _known_at
from ranked
where place = 1
