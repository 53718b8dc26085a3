with

source as (

    select * from {{ source('bank_b', 'balances') }}

)

select
    source.fund_loan_no as loan_id_funder,
    'bank_b' as funder,
    source.balance_amount,
    source.balance_date,
    source._delivery_id,
    source._line_number,
    source._batch_date,
    source._sequence,
    source._known_at
from source
