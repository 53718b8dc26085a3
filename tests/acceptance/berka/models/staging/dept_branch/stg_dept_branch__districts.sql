with

source as (

    select * from {{ source('dept_branch', 'districts') }}

)

select
    source.district_id,
    source.district_name,
    source.region_name,
    source.inhabitant_count,
    source.municipality_to_499_count,
    source.municipality_500_to_1999_count,
    source.municipality_2000_to_9999_count,
    source.municipality_from_10000_count,
    source.city_count,
    source.urban_inhabitants_percent * 0.01 as urban_inhabitants_rate,
    source.average_salary_amount,
    source.unemployment_1995_percent * 0.01 as unemployment_1995_rate,
    source.unemployment_1996_percent * 0.01 as unemployment_1996_rate,
    source.entrepreneurs_per_1000_count,
    source.crime_1995_count,
    source.crime_1996_count,
    source._delivery_id,
    source._line_number,
    source._batch_date,
    source._sequence,
    source._known_at
from source
