with

source as (

    select * from {{ source('guarantor_c', 'guarantees') }}

)

select
    source.guarantee_no as guarantee_id,
    source.loan_no as loan_id,
    banks.canonical as funder,
    source.fund_loan_no as loan_id_funder,
    source.cert_no_token as anchor_token,
    source.guaranteed_amount,
    source.fee_rate_percent * 0.01 as fee_rate,
    units.canonical as fee_rate_unit,
    source.overdue_daily_rate,
    source.start_date,
    source.valid_to_date,
    source.released_date,
    statuses.canonical as guarantee_status,
    source.updated_date,
    source._delivery_id,
    source._line_number,
    source._batch_date,
    source._sequence,
    source._known_at
from source
{{ join_code('banks', 'guarantor_c.bank', 'source.bank_code') }}
{{ join_code('units', 'guarantor_c.rate_unit', 'source.fee_rate_unit_code') }}
{{ join_code('statuses', 'guarantor_c.guarantee_status', 'source.status_code') }}
