with

source as (

    select * from {{ source('guarantor_c', 'recoveries') }}

)

select
    source.recovery_no as recovery_id,
    source.pay_no as payment_id,
    source.guarantee_no as guarantee_id,
    source.term_no as term_number,
    source.received_date,
    cast(source.principal_amount_fen as decimal(18, 0)) * 0.01 as principal_amount,
    cast(source.interest_amount_fen as decimal(18, 0)) * 0.01 as interest_amount,
    cast(source.penalty_amount_fen as decimal(18, 0)) * 0.01 as penalty_amount,
    channels.canonical as payment_method,
    source._delivery_id,
    source._line_number,
    source._batch_date,
    source._sequence,
    source._known_at
from source
{{ join_code('channels', 'guarantor_c.channel', 'source.channel_code') }}
