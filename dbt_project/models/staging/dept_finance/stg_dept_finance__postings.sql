with

source as (

    select * from {{ source('dept_finance', 'postings') }}

)

select
    source.voucher_no as voucher_id,
    source.line_no as line_number,
    source.posted_date,
    accounts.canonical as account,
    source.account_code,
    source.account_name,
    source.summary,
    source.debit_amount,
    source.credit_amount,
    source.tax_rate_percent * 0.01 as tax_rate,
    funders.canonical as funder,
    source.clerk_name_masked as clerk_masked,
    source._delivery_id,
    source._line_number,
    source._batch_date,
    source._sequence,
    source._known_at
from source
{{ join_code('accounts', 'dept_finance.account', 'source.account_code') }}
{{ join_code('funders', 'dept_finance.funder', 'source.funder_code') }}
