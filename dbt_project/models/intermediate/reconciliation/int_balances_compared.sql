-- The funder's balance of each of our loans against the balance after compensation: of every item at the batch date and
-- at the date before on which the funder reported, and at older dates of the items that differ on either, which is what
-- the age of a break needs.
with

reported as (

    select funder, loan_id_funder, balance_date, balance_amount
    from {{ ref('fct_funder_balances_history') }}
    where _superseded_at is null and balance_date <= {{ batch_date() }}

),

-- The batch date, whether or not the funder reported on it, and the dates on which it did.
dates as (

    select funder, balance_date from reported
    union
    select distinct funder, {{ batch_date() }} as balance_date from {{ ref('fct_loans') }}

),

placed as (

    select
        funder,
        balance_date,
        row_number() over (partition by funder order by balance_date desc nulls last) as place
    from dates

),

{% for part in ['recent', 'older'] %}
{{ part }}_owed as (

    select
        placed.funder,
        placed.balance_date,
        placed.place,
        states.loan_id_funder,
        states.loan_id,
        states.balance_after_compensation_amount as balance_amount
    from placed
    inner join {{ ref('fct_loan_states') }} as states
        on placed.funder = states.funder
        and states.valid_from <= placed.balance_date
        and (states.valid_to is null or placed.balance_date < states.valid_to)
        and states.balance_after_compensation_amount > 0
    {% if part == 'older' -%}
    inner join differing
        on states.funder = differing.funder and states.loan_id_funder = differing.loan_id_funder
    where placed.place > 2 and placed.place <= {{ var('break_look_back') }}
    {%- else -%}
    where placed.place <= 2
    {%- endif %}

),

{{ part }}_held as (

    select placed.place, reported.*
    from reported
    inner join placed on reported.funder = placed.funder and reported.balance_date = placed.balance_date
    {% if part == 'older' -%}
    inner join differing
        on reported.funder = differing.funder and reported.loan_id_funder = differing.loan_id_funder
    where placed.place > 2 and placed.place <= {{ var('break_look_back') }}
    {%- else -%}
    where placed.place <= 2
    {%- endif %}

),

{{ part }} as (

    select
        coalesce(owed.funder, held.funder) as funder,
        coalesce(owed.balance_date, held.balance_date) as balance_date,
        cast(coalesce(owed.place, held.place) as int) as dates_back,
        coalesce(owed.loan_id_funder, held.loan_id_funder) as loan_id_funder,
        owed.loan_id,
        owed.balance_amount as core_amount,
        held.balance_amount as funder_amount
    from {{ part }}_owed as owed
    full outer join {{ part }}_held as held
        on owed.funder = held.funder
        and owed.balance_date = held.balance_date
        and owed.loan_id_funder = held.loan_id_funder

),

{% if part == 'recent' -%}
differing as (

    select distinct funder, loan_id_funder
    from recent
    where core_amount is distinct from funder_amount

),

{% endif -%}
{% endfor -%}
compared as (

    select * from recent
    union all
    select * from older

)

select * from compared
