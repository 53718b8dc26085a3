with

source as (

    select * from {{ source('dept_app', 'logins') }}

)

select
    source.login_no as login_id,
    source.user_id,
    source.logged_in_at,
    source.device_id_token,
    methods.canonical as login_method,
    results.canonical as login_result,
    source.ip_address_token,
    source.city,
    source._delivery_id,
    source._line_number,
    source._batch_date,
    source._sequence,
    source._known_at
from source
{{ join_code('methods', 'dept_app.login_method', 'source.method_code') }}
{{ join_code('results', 'dept_app.login_result', 'source.result_code') }}
