-- X63: each district of branch operations (left) against the credit department (right), all figures.
{%- set attributes = [
    'district_name',
    'region_name',
    'inhabitant_count',
    'municipality_to_499_count',
    'municipality_500_to_1999_count',
    'municipality_2000_to_9999_count',
    'municipality_from_10000_count',
    'city_count',
    'urban_inhabitants_rate',
    'average_salary_amount',
    'unemployment_1995_rate',
    'unemployment_1996_rate',
    'entrepreneurs_per_1000_count',
    'crime_1995_count',
    'crime_1996_count',
] %}
with

branch as (

    select *
    from {{ ref('int_districts_by_department') }}
    where department = 'dept_branch'

),

credit as (

    select *
    from {{ ref('int_districts_by_department') }}
    where department = 'dept_credit'

),

compared as (

    select
        coalesce(branch.district_id, credit.district_id) as district_id,
        branch.district_id is not null as is_in_branch,
        credit.district_id is not null as is_in_credit,
        trim(
            ''
            {%- for name in attributes %}
                || case when branch.{{ name }} is distinct from credit.{{ name }} then ' {{ name }}' else '' end
            {%- endfor %}
        ) as differing_attributes
    from branch
    full outer join credit on branch.district_id = credit.district_id

)

select
    district_id,
    case
        when not is_in_credit then 'only_left'
        when not is_in_branch then 'only_right'
        when differing_attributes <> '' then 'attribute_diff'
        else 'matched'
    end as break_type,
    case when is_in_branch and is_in_credit and differing_attributes <> '' then differing_attributes end
        as differing_attributes
from compared
