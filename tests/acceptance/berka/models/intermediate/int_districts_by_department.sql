-- One row per district and department.
with

unioned as (

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
        urban_inhabitants_rate,
        average_salary_amount,
        unemployment_1995_rate,
        unemployment_1996_rate,
        entrepreneurs_per_1000_count,
        crime_1995_count,
        crime_1996_count,
        'dept_branch' as department,
        _delivery_id,
        _line_number,
        _known_at
    from {{ ref('stg_dept_branch__districts') }}
    union all
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
        urban_inhabitants_rate,
        average_salary_amount,
        unemployment_1995_rate,
        unemployment_1996_rate,
        entrepreneurs_per_1000_count,
        crime_1995_count,
        crime_1996_count,
        'dept_credit' as department,
        _delivery_id,
        _line_number,
        _known_at
    from {{ ref('stg_dept_credit__districts') }}

)

select unioned.*
from unioned
inner join {{ ref('int_deliveries_current') }} as deliveries on unioned._delivery_id = deliveries.delivery_id
