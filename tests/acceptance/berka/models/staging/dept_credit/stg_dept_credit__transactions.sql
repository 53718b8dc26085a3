with

source as (

    select * from {{ source('dept_credit', 'transactions') }}

)

select
    source.trans_id as transaction_id,
    source.account_id,
    source.transacted_date,
    directions.canonical as direction,
    operations.canonical as operation,
    purposes.canonical as purpose,
    source.transacted_amount,
    source.balance_amount,
    source.counterparty_bank_code,
    source.counterparty_account_token,
    source._delivery_id,
    source._line_number,
    source._batch_date,
    source._sequence,
    source._known_at
from source
left join {{ ref('ref_bank_codes') }} as directions
    on directions.code_set = 'dept_credit.direction' and directions.code = source.direction_code
left join {{ ref('ref_bank_codes') }} as operations
    on operations.code_set = 'dept_credit.operation' and operations.code = source.operation_code
left join {{ ref('ref_bank_codes') }} as purposes
    on purposes.code_set = 'dept_credit.purpose' and purposes.code = source.purpose_code
