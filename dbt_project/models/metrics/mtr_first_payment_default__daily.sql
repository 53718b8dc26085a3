-- FPDn by count (首逾率) by due-date cohort: loans whose first instalment went n days unpaid, of those for which n days
-- have passed since its due date; rule "ever": a payment on day n is bad. NULL, not 0, while nothing has matured. A
-- loan counts on the days on which it stands.
with

dates as (

    select distinct as_of_date from {{ ref('fct_loan_days') }}

),

firsts as (

    select
        dates.as_of_date,
        states.loan_id,
        states.due_date,
        states.cleared_date_before_compensation,
        states.cleared_date_after_compensation
    from {{ ref('int_instalment_states') }} as states
    inner join dates
        on states.due_date <= dates.as_of_date
        and states.valid_from <= dates.as_of_date
        and (states.valid_to is null or dates.as_of_date < states.valid_to)
    inner join {{ ref('fct_loans') }} as loans
        on states.loan_id = loans.loan_id and {{ loan_stands('loans', 'dates.as_of_date') }}
    where states.term_number = 1

),

judged as (
    {% for view in ['before_compensation', 'after_compensation'] %}
    select
        as_of_date,
        due_date,
        '{{ view }}' as calibre,
        loan_id,
        {{ days_between('due_date', 'as_of_date') }} as days_since_due,
        {{ dpd_ever('cleared_date_' ~ view, 'due_date', 'as_of_date') }} as dpd_ever
    from firsts
    {% if not loop.last %}
    union all
    {% endif %}
    {% endfor %}
)

select
    judged.as_of_date,
    judged.due_date,
    judged.calibre,
    variants.metric,
    variants.observation_days,
    variants.grace_days,
    cast(sum(case when judged.days_since_due >= variants.observation_days then 1 else 0 end) as bigint)
        as matured_loan_count,
    cast(
        sum(
            case
                when
                    judged.days_since_due >= variants.observation_days
                    and judged.dpd_ever >= variants.observation_days
                    and judged.dpd_ever > variants.grace_days
                    then 1
                else 0
            end
        ) as bigint
    ) as bad_loan_count,
    {{ rate(
        'sum(case when judged.days_since_due >= variants.observation_days'
        ~ ' and judged.dpd_ever >= variants.observation_days'
        ~ ' and judged.dpd_ever > variants.grace_days then 1 else 0 end)',
        'sum(case when judged.days_since_due >= variants.observation_days then 1 else 0 end)'
    ) }} as first_payment_default_rate
from judged
cross join {{ ref('ref_fpd_variants') }} as variants
group by
    judged.as_of_date,
    judged.due_date,
    judged.calibre,
    variants.metric,
    variants.observation_days,
    variants.grace_days
