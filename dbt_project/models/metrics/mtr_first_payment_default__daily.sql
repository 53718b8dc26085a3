-- FPDn by count (首逾率) by due-date cohort: loans whose first instalment went n days unpaid, of those for which n days
-- have passed since its due date; rule "ever": a payment on day n is bad. NULL, not 0, while nothing has matured. A
-- loan counts on the days on which it stands.
--
-- One row per cohort, calibre, variant and interval of observation days (valid_from to before valid_to) in which no
-- count changes, so that a cohort has a few rows in its life, however many days it is observed.
with

firsts as (

    select
        states.loan_id,
        states.due_date,
        greatest(states.valid_from, states.due_date) as valid_from,
        case
            when states.valid_to is null then loans.reversed_date
            else least(states.valid_to, coalesce(loans.reversed_date, states.valid_to))
        end as valid_to,
        states.cleared_date_before_compensation,
        states.cleared_date_after_compensation
    from {{ ref('int_instalment_states') }} as states
    inner join {{ ref('fct_loans') }} as loans on states.loan_id = loans.loan_id
    where states.term_number = 1

),

observed as (
    {% for view in ['before_compensation', 'after_compensation'] %}
    select
        due_date,
        '{{ view }}' as calibre,
        valid_from,
        valid_to,
        cleared_date_{{ view }} as cleared_date
    from firsts
    where valid_to is null or valid_from < valid_to
    {% if not loop.last %}
    union all
    {% endif %}
    {% endfor %}
),

-- When each loan matures and turns bad within its interval: an open instalment with time, a cleared one by its delay.
judged as (

    select
        observed.due_date,
        observed.calibre,
        variants.metric,
        variants.observation_days,
        variants.grace_days,
        observed.valid_from,
        observed.valid_to,
        greatest(
            observed.valid_from, {{ days_after('observed.due_date', 'variants.observation_days') }}
        ) as matured_from,
        case
            when observed.cleared_date is null
                then greatest(
                    observed.valid_from,
                    {{ days_after(
                        'observed.due_date', 'greatest(variants.observation_days, variants.grace_days + 1)'
                    ) }}
                )
            when
                {{ days_between('observed.due_date', 'observed.cleared_date') }}
                >= greatest(variants.observation_days, variants.grace_days + 1)
                then greatest(
                    observed.valid_from, {{ days_after('observed.due_date', 'variants.observation_days') }}
                )
        end as bad_from
    from observed
    cross join {{ ref('ref_fpd_variants') }} as variants

),

changes as (
    {% for begin, held, matured, bad in [
        ('valid_from', 1, 0, 0), ('matured_from', 0, 1, 0), ('bad_from', 0, 0, 1)
    ] %}
    select
        due_date,
        calibre,
        metric,
        observation_days,
        grace_days,
        {{ begin }} as changed_date,
        {{ held }} as held,
        {{ matured }} as matured,
        {{ bad }} as bad
    from judged
    where {{ begin }} is not null and (valid_to is null or {{ begin }} < valid_to)
    union all
    select
        due_date,
        calibre,
        metric,
        observation_days,
        grace_days,
        valid_to as changed_date,
        {{ -held }} as held,
        {{ -matured }} as matured,
        {{ -bad }} as bad
    from judged
    where {{ begin }} is not null and valid_to is not null and {{ begin }} < valid_to
    {% if not loop.last %}
    union all
    {% endif %}
    {% endfor %}
),

changed as (

    select
        due_date,
        calibre,
        metric,
        observation_days,
        grace_days,
        changed_date,
        sum(held) as held,
        sum(matured) as matured,
        sum(bad) as bad
    from changes
    where changed_date <= {{ batch_date() }}
    group by due_date, calibre, metric, observation_days, grace_days, changed_date
    having sum(held) <> 0 or sum(matured) <> 0 or sum(bad) <> 0

),

counted as (

    select
        due_date,
        calibre,
        metric,
        observation_days,
        grace_days,
        changed_date as valid_from,
        lead(changed_date) over (
            partition by due_date, calibre, metric order by changed_date nulls last
        ) as valid_to,
        sum(held) over (
            partition by due_date, calibre, metric order by changed_date nulls last
            rows between unbounded preceding and current row
        ) as held_loan_count,
        sum(matured) over (
            partition by due_date, calibre, metric order by changed_date nulls last
            rows between unbounded preceding and current row
        ) as matured_loan_count,
        sum(bad) over (
            partition by due_date, calibre, metric order by changed_date nulls last
            rows between unbounded preceding and current row
        ) as bad_loan_count
    from changed

)

select
    due_date,
    calibre,
    metric,
    observation_days,
    grace_days,
    valid_from,
    valid_to,
    cast(matured_loan_count as bigint) as matured_loan_count,
    cast(bad_loan_count as bigint) as bad_loan_count,
    {{ rate('bad_loan_count', 'matured_loan_count') }} as first_payment_default_rate
from counted
where held_loan_count > 0
