with

source as (

    select * from {{ source('bank_a', 'balances') }}

)

select
    source.fund_loan_no as loan_id_funder,
    'bank_a' as funder,
    cast(source.balance_amount_fen as decimal(18, 0)) * 0.01 as balance_amount,
    source.balance_date,
    source._delivery_id,
    source._line_number,
    source._batch_date,
    source._sequence,
    source._known_at
from source
