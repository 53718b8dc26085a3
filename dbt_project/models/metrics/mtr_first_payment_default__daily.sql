-- FPDn by count (首逾率) by due-date cohort: loans whose first instalment went n days unpaid, of those for which n days
-- have passed since its due date; rule "ever": a payment on day n is bad. NULL, not 0, while nothing has matured.
with

dates as (

    select distinct as_of_date from {{ ref('fct_loan_days') }}

),

firsts as (

    select
        instalments.due_date,
        instalments.loan_id,
        'before_compensation' as calibre,
        instalments.cleared_date_before_compensation as cleared_date
    from {{ ref('fct_instalments') }} as instalments
    inner join {{ ref('fct_loans') }} as loans on instalments.loan_id = loans.loan_id and not loans.is_reversed
    where instalments.term_number = 1

    union all

    select
        instalments.due_date,
        instalments.loan_id,
        'after_compensation' as calibre,
        instalments.cleared_date_after_compensation as cleared_date
    from {{ ref('fct_instalments') }} as instalments
    inner join {{ ref('fct_loans') }} as loans on instalments.loan_id = loans.loan_id and not loans.is_reversed
    where instalments.term_number = 1

),

judged as (

    select
        dates.as_of_date,
        firsts.due_date,
        firsts.calibre,
        firsts.loan_id,
        {{ days_between('firsts.due_date', 'dates.as_of_date') }} as days_since_due,
        {{ dpd_ever('firsts.cleared_date', 'firsts.due_date', 'dates.as_of_date') }} as dpd_ever
    from firsts
    inner join dates on firsts.due_date <= dates.as_of_date

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
