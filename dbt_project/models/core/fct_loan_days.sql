-- One row per standing loan and date, at the end of the date: fct_loan_states read for the dates that are asked.
with

dates as ({{ as_of_dates() }})

select
    dates.as_of_date,
    states.loan_id,
    states.customer_id,
    states.loan_id_funder,
    states.funder,
    states.balance_before_compensation_amount,
    states.balance_after_compensation_amount,
    states.overdue_principal_amount,
    cast(coalesce(
        {{ days_between('states.oldest_open_due_date_before_compensation', 'dates.as_of_date') }}, 0
    ) as int) as dpd_before_compensation,
    cast(coalesce(
        {{ days_between('states.oldest_open_due_date_after_compensation', 'dates.as_of_date') }}, 0
    ) as int) as dpd_after_compensation,
    cast(greatest(
        coalesce({{ days_between('states.oldest_open_due_date_before_compensation', 'dates.as_of_date') }}, 0),
        states.worst_delay_days_before_compensation
    ) as int) as dpd_ever_before_compensation,
    cast(greatest(
        coalesce({{ days_between('states.oldest_open_due_date_after_compensation', 'dates.as_of_date') }}, 0),
        states.worst_delay_days_after_compensation
    ) as int) as dpd_ever_after_compensation
from {{ ref('fct_loan_states') }} as states
inner join dates
    on states.valid_from <= dates.as_of_date
    and (states.valid_to is null or dates.as_of_date < states.valid_to)
