-- One row per loan; the credit department alone keeps them.
with

unioned as (

    select
        loan_id,
        account_id,
        granted_date,
        principal_amount,
        term_count,
        instalment_amount,
        outcome,
        'train' as portfolio,
        'dept_credit' as department,
        _delivery_id,
        _line_number,
        _known_at
    from {{ ref('stg_dept_credit__loans_train') }}
    union all
    select
        loan_id,
        account_id,
        granted_date,
        principal_amount,
        term_count,
        instalment_amount,
        outcome,
        'test' as portfolio,
        'dept_credit' as department,
        _delivery_id,
        _line_number,
        _known_at
    from {{ ref('stg_dept_credit__loans_test') }}

)

select unioned.*
from unioned
inner join {{ ref('int_deliveries_current') }} as deliveries on unioned._delivery_id = deliveries.delivery_id
