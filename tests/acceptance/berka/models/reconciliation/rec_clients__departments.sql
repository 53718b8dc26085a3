-- X63: each client of branch operations (left) against the credit department (right), attribute by attribute.
{%- set attributes = [
    'birth_date',
    'sex',
    'district_id',
] %}
with

branch as (

    select *
    from {{ ref('int_clients_by_department') }}
    where department = 'dept_branch'

),

credit as (

    select *
    from {{ ref('int_clients_by_department') }}
    where department = 'dept_credit'

),

compared as (

    select
        coalesce(branch.client_id, credit.client_id) as client_id,
        branch.client_id is not null as is_in_branch,
        credit.client_id is not null as is_in_credit,
        trim(
            ''
            {%- for name in attributes %}
                || case when branch.{{ name }} is distinct from credit.{{ name }} then ' {{ name }}' else '' end
            {%- endfor %}
        ) as differing_attributes
    from branch
    full outer join credit on branch.client_id = credit.client_id

)

select
    client_id,
    case
        when not is_in_credit then 'only_left'
        when not is_in_branch then 'only_right'
        when differing_attributes <> '' then 'attribute_diff'
        else 'matched'
    end as break_type,
    case when is_in_branch and is_in_credit and differing_attributes <> '' then differing_attributes end
        as differing_attributes
from compared
