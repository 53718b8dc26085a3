-- Disbursed principal by date and date basis (放款日口径): T0 the payout, booked the ledger, value the interest start.
-- A loan reversed appears in the gross and reversal columns only.
with

dated as (

    select 't0' as date_basis, funded_date as disbursed_date, principal_amount, is_reversed
    from {{ ref('fct_loans') }}
    union all
    select 'booked' as date_basis, booked_date as disbursed_date, principal_amount, is_reversed
    from {{ ref('fct_loans') }}
    union all
    select 'value' as date_basis, value_date as disbursed_date, principal_amount, is_reversed
    from {{ ref('fct_loans') }}

)

select
    disbursed_date,
    date_basis,
    cast(sum(principal_amount) as decimal(18, 2)) as gross_disbursed_amount,
    cast(sum(case when is_reversed then principal_amount else 0 end) as decimal(18, 2)) as reversed_amount,
    cast(sum(case when is_reversed then 0 else principal_amount end) as decimal(18, 2)) as disbursed_amount,
    cast(sum(case when is_reversed then 0 else 1 end) as bigint) as loan_count
from dated
group by disbursed_date, date_basis
