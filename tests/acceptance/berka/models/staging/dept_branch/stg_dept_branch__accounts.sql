with

source as (

    select * from {{ source('dept_branch', 'accounts') }}

)

select
    source.account_id,
    source.district_id,
    frequencies.canonical as statement_frequency,
    source.opened_date,
    source._delivery_id,
    source._line_number,
    source._batch_date,
    source._sequence,
    source._known_at
from source
left join {{ ref('ref_bank_codes') }} as frequencies
    on frequencies.code_set = 'dept_branch.frequency' and frequencies.code = source.frequency_code
