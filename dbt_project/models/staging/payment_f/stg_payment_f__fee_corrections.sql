with

source as (

    select * from {{ source('payment_f', 'fee_corrections') }}

)

select
    channel_txn_no as channel_transaction_id,
    version_no as version_number,
    cast(fee_amount_fen as decimal(18, 0)) * 0.01 as fee_amount,
    corrected_date,
    reason,
    _delivery_id,
    _line_number,
    _batch_date,
    _sequence,
    _known_at
from source
