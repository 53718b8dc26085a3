-- One row per district. Where both departments know one, branch operations' row stands;
-- the reconciliation tells of any difference.
with

ranked as (

    select
        *,
        row_number() over (partition by district_id order by department nulls last) as place
    from {{ ref('int_districts_by_department') }}

)

select
    district_id,
    district_name,
    region_name,
    inhabitant_count,
    municipality_to_499_count,
    municipality_500_to_1999_count,
    municipality_2000_to_9999_count,
    municipality_from_10000_count,
    city_count,
    cast(urban_inhabitants_rate as decimal(9, 6)) as urban_inhabitants_rate,
    average_salary_amount,
    cast(unemployment_1995_rate as decimal(9, 6)) as unemployment_1995_rate,
    cast(unemployment_1996_rate as decimal(9, 6)) as unemployment_1996_rate,
    entrepreneurs_per_1000_count,
    crime_1995_count,
    crime_1996_count,
    department,
    _delivery_id,
    _line_number,
    _known_at
from ranked
where place = 1
