with

source as (

    select * from {{ source('dept_branch', 'orders') }}

)

select
    source.order_id,
    source.account_id,
    purposes.canonical as purpose,
    source.order_amount,
    source.counterparty_bank_code,
    source.counterparty_account_token,
    source._delivery_id,
    source._line_number,
    source._batch_date,
    source._sequence,
    source._known_at
from source
left join {{ ref('ref_bank_codes') }} as purposes
    on purposes.code_set = 'dept_branch.purpose' and purposes.code = source.purpose_code
