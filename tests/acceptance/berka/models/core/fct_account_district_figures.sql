-- One row per account and year of the figures of its branch's district. Figures of a year are taken as public at the
-- end of the next one; those without a year (inhabitants, salary, towns) as public with the figures of 1995.
with

figures as (

    select
        district_id,
        1995 as figures_year,
        cast('1996-12-31' as date) as published_date,
        {{ start_of_day("cast('1997-01-01' as date)") }} as _known_at,
        unemployment_1995_rate as unemployment_rate,
        crime_1995_count as crime_count
    from {{ ref('dim_districts') }}
    union all
    select
        district_id,
        1996 as figures_year,
        cast('1997-12-31' as date) as published_date,
        {{ start_of_day("cast('1998-01-01' as date)") }} as _known_at,
        unemployment_1996_rate as unemployment_rate,
        crime_1996_count as crime_count
    from {{ ref('dim_districts') }}

)

select
    accounts.account_id,
    figures.district_id,
    figures.figures_year,
    figures.published_date,
    districts.inhabitant_count,
    districts.urban_inhabitants_rate,
    districts.average_salary_amount,
    districts.entrepreneurs_per_1000_count,
    figures.unemployment_rate,
    figures.crime_count,
    figures._known_at
from {{ ref('dim_accounts') }} as accounts
inner join {{ ref('dim_districts') }} as districts on accounts.district_id = districts.district_id
inner join figures on districts.district_id = figures.district_id
