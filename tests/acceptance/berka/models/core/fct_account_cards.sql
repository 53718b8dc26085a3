-- One row per payment card and the account that it draws on.
with

ranked as (

    select
        *,
        row_number() over (partition by card_id order by department nulls last) as place
    from {{ ref('int_cards_by_department') }}

)

select
    ranked.card_id,
    dispositions.account_id,
    dispositions.client_id,
    ranked.card_type,
    ranked.issued_date,
    ranked.department,
    ranked._delivery_id,
    ranked._line_number,
    ranked._known_at
from ranked
inner join {{ ref('bridge_accounts_clients') }} as dispositions
    on ranked.disposition_id = dispositions.disposition_id
where ranked.place = 1
