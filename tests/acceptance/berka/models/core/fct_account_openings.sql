-- One row per account: its opening and who held it. Clients and dispositions carry no date in either department's
-- files; they are taken as they were at the opening, and become known with it.
with

holders as (

    select
        account_id,
        count(*) as holder_count,
        max(case when holder_role = 'owner' then client_id end) as owner_client_id
    from {{ ref('bridge_accounts_clients') }}
    group by account_id

)

select
    accounts.account_id,
    accounts.opened_date,
    accounts.statement_frequency,
    accounts.district_id,
    holders.owner_client_id,
    owners.birth_date as owner_birth_date,
    cast(holders.holder_count as int) as holder_count,
    accounts._known_at
from {{ ref('dim_accounts') }} as accounts
left join holders on accounts.account_id = holders.account_id
left join {{ ref('dim_clients') }} as owners on holders.owner_client_id = owners.client_id
