-- Disbursed principal by date and date basis (放款日口径): T0 the payout, booked the ledger, value the interest start.
-- A reversal is negative on its own date; the restated figure leaves a reversed loan out of the date it was paid on.
with

loans as (

    select loans.*, applications.channel
    from {{ ref('fct_loans') }} as loans
    left join {{ ref('fct_applications') }} as applications on loans.application_id = applications.application_id

),

dated as (

    select 't0' as date_basis, funded_date as disbursed_date, loans.* from loans
    union all
    select 'booked' as date_basis, booked_date as disbursed_date, loans.* from loans
    union all
    select 'value' as date_basis, value_date as disbursed_date, loans.* from loans

),

movements as (

    select
        date_basis,
        disbursed_date,
        funder,
        product_code,
        channel,
        principal_amount as gross_amount,
        0 as reversed_amount,
        case when is_reversed then 0 else principal_amount end as restated_amount,
        case when is_reversed then 0 else 1 end as standing
    from dated

    union all

    select
        date_basis,
        -- A loan reversed before it was booked leaves the books on the day it entered them.
        greatest(disbursed_date, reversed_date) as disbursed_date,
        funder,
        product_code,
        channel,
        0 as gross_amount,
        principal_amount as reversed_amount,
        0 as restated_amount,
        0 as standing
    from dated
    where is_reversed

)

select
    disbursed_date,
    date_basis,
    coalesce(funder, '{{ var("unstated") }}') as funder,
    coalesce(product_code, '{{ var("unstated") }}') as product_code,
    coalesce(channel, '{{ var("unstated") }}') as channel,
    cast(sum(gross_amount) as decimal(18, 2)) as gross_disbursed_amount,
    cast(sum(reversed_amount) as decimal(18, 2)) as reversed_amount,
    cast(sum(gross_amount) - sum(reversed_amount) as decimal(18, 2)) as disbursed_amount,
    cast(sum(restated_amount) as decimal(18, 2)) as restated_disbursed_amount,
    cast(sum(standing) as bigint) as loan_count
from movements
group by disbursed_date, date_basis, funder, product_code, channel
