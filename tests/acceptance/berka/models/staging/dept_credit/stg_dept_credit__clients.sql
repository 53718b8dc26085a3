with

source as (

    select * from {{ source('dept_credit', 'clients') }}

),

-- yymmdd of this century; a woman's month is raised by 50.
decoded as (

    select
        *,
        cast(substr(birth_number, 3, 2) as int) > 50 as is_raised,
        cast(substr(birth_number, 3, 2) as int) % 50 as birth_month
    from source

)

select
    client_id,
    cast(
        '19' || substr(birth_number, 1, 2) || '-' || lpad(cast(birth_month as string), 2, '0') || '-'
        || substr(birth_number, 5, 2) as date
    ) as birth_date,
    case when is_raised then 'female' else 'male' end as sex,
    district_id,
    _delivery_id,
    _line_number,
    _batch_date,
    _sequence,
    _known_at
from decoded
