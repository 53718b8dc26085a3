with

source as (

    select * from {{ source('dept_branch', 'dispositions') }}

)

select
    source.disp_id as disposition_id,
    source.client_id,
    source.account_id,
    roles.canonical as holder_role,
    source._delivery_id,
    source._line_number,
    source._batch_date,
    source._sequence,
    source._known_at
from source
left join {{ ref('ref_bank_codes') }} as roles
    on roles.code_set = 'dept_branch.role' and roles.code = source.role_code
