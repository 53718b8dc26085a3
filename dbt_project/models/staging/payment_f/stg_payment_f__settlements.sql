with

source as (

    select * from {{ source('payment_f', 'settlements') }}

)

select
    source.channel_txn_no as channel_transaction_id,
    source.original_txn_no as original_transaction_id,
    source.repay_no as repayment_id,
    source.loan_no as loan_id,
    source.traded_at,
    source.settled_date,
    source.payer_name_masked,
    source.bank_card_token,
    source.traded_amount,
    cast(source.fee_amount_fen as decimal(18, 0)) * 0.01 as fee_amount,
    source.fee_rate_per_ten_thousand * 0.0001 as fee_rate,
    statuses.canonical as transaction_status,
    source._delivery_id,
    source._line_number,
    source._batch_date,
    source._sequence,
    source._known_at
from source
{{ join_code('statuses', 'payment_f.status', 'source.status_code') }}
