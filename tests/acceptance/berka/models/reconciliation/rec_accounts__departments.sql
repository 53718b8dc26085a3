-- X63: each account of branch operations (left) against the credit department (right), attribute by attribute.
{%- set attributes = [
    'opened_date',
    'district_id',
    'statement_frequency',
] %}
with

branch as (

    select *
    from {{ ref('int_accounts_by_department') }}
    where department = 'dept_branch'

),

credit as (

    select *
    from {{ ref('int_accounts_by_department') }}
    where department = 'dept_credit'

),

compared as (

    select
        coalesce(branch.account_id, credit.account_id) as account_id,
        branch.account_id is not null as is_in_branch,
        credit.account_id is not null as is_in_credit,
        trim(
            ''
            {%- for name in attributes %}
                || case when branch.{{ name }} is distinct from credit.{{ name }} then ' {{ name }}' else '' end
            {%- endfor %}
        ) as differing_attributes
    from branch
    full outer join credit on branch.account_id = credit.account_id

)

select
    account_id,
    case
        when not is_in_credit then 'only_left'
        when not is_in_branch then 'only_right'
        when differing_attributes <> '' then 'attribute_diff'
        else 'matched'
    end as break_type,
    case when is_in_branch and is_in_credit and differing_attributes <> '' then differing_attributes end
        as differing_attributes
from compared
