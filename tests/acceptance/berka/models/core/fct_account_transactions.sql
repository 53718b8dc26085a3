-- One row per transaction (交易流水). The files give its day and no time of day; `signed_amount` raises the balance.
with

ranked as (

    select
        *,
        row_number() over (partition by transaction_id order by department nulls last) as place
    from {{ ref('int_transactions_by_department') }}

)

select
    transaction_id,
    account_id,
    transacted_date,
    direction,
    operation,
    purpose,
    transacted_amount,
    cast(case when direction = 'inflow' then transacted_amount else -transacted_amount end as decimal(18, 2))
        as signed_amount,
    balance_amount,
    counterparty_bank_code,
    counterparty_account_token,
    department,
    _delivery_id,
    _line_number,
    _known_at
from ranked
where place = 1
