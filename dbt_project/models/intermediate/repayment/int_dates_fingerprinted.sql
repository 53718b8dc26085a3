-- One row per date of the daily tables: the fingerprint of all that its figures are derived from. What changes on a day
-- adds a number to the sum of that day and all later ones (a state that ends takes its own away), so that the sums of
-- all dates cost one pass over the intervals, however many dates there are. Two builds agree on a date's sum when, and
-- (but for a collision of 60 bits) only when, they agree on its states, loans and payments. The sum of the day before
-- belongs to it: a roll-forward opens with that day. When a payment was made is not in its number: one that moves
-- changes the sums of the days between, and of no later one.
with

dates as ({{ as_of_dates() }}),

numbered as (

    select
        valid_from,
        valid_to,
        {{ content_number([
            'loan_id', 'customer_id', 'loan_id_funder', 'funder', 'balance_before_compensation_amount',
            'balance_after_compensation_amount', 'overdue_principal_amount', 'oldest_open_due_date_before_compensation',
            'oldest_open_due_date_after_compensation', 'worst_delay_days_before_compensation',
            'worst_delay_days_after_compensation'
        ]) }} as content
    from {{ ref('fct_loan_states') }}

),

changes as (

    select valid_from as changed_date, content from numbered
    union all
    select valid_to as changed_date, -content as content from numbered
    where valid_to is not null
    union all
    select
        funded_date as changed_date,
        {{ content_number(['loan_id', 'funder', 'principal_amount', 'funded_date']) }} as content
    from {{ ref('fct_loans') }}
    union all
    select reversed_date as changed_date, {{ content_number(['loan_id', 'reversed_date']) }} as content
    from {{ ref('fct_loans') }}
    where reversed_date is not null
    union all
    select
        paid_date as changed_date,
        {{ content_number([
            'loan_id', 'term_number', 'payer', 'buyback_count', 'to_debt_amount', 'to_funder_amount',
            'recovered_amount'
        ]) }} as content
    from {{ ref('int_instalment_payments_applied') }}

),

changed as (

    select changed_date, sum(cast(content as decimal(38, 0))) as content
    from changes
    group by changed_date

),

summed as (

    select
        dates.as_of_date,
        sum(changed.content) as content,
        sum(case when changed.changed_date < dates.as_of_date then changed.content end) as content_before
    from dates
    left join changed on changed.changed_date <= dates.as_of_date
    group by dates.as_of_date

)

select
    as_of_date,
    md5(coalesce(cast(content as string), '~') || '|' || coalesce(cast(content_before as string), '~')) as inputs_hash
from summed
