with

source as (

    select * from {{ source('dept_credit', 'cards_test') }}

)

select
    source.card_id,
    source.disp_id as disposition_id,
    types.canonical as card_type,
    source.issued_date,
    source._delivery_id,
    source._line_number,
    source._batch_date,
    source._sequence,
    source._known_at
from source
left join {{ ref('ref_bank_codes') }} as types
    on types.code_set = 'dept_credit.card_type' and types.code = source.card_type_code
