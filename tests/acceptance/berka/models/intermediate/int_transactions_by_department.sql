-- One row per transaction and department.
with

unioned as (

    select
        transaction_id,
        account_id,
        transacted_date,
        direction,
        operation,
        purpose,
        transacted_amount,
        balance_amount,
        counterparty_bank_code,
        counterparty_account_token,
        'dept_branch' as department,
        _delivery_id,
        _line_number,
        _known_at
    from {{ ref('stg_dept_branch__transactions') }}
    union all
    select
        transaction_id,
        account_id,
        transacted_date,
        direction,
        operation,
        purpose,
        transacted_amount,
        balance_amount,
        counterparty_bank_code,
        counterparty_account_token,
        'dept_credit' as department,
        _delivery_id,
        _line_number,
        _known_at
    from {{ ref('stg_dept_credit__transactions') }}

)

select unioned.*
from unioned
inner join {{ ref('int_deliveries_current') }} as deliveries on unioned._delivery_id = deliveries.delivery_id
