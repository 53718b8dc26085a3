-- When an instalment was cleared by the customer, as it was known at each time: at every moment at which a payment or
-- a plan of it became known or was superseded, the clear date is worked out from what was visible then.
with

repayments as (

    select
        loan_id,
        term_number,
        paid_date,
        cast(principal_amount + interest_amount + fee_amount as decimal(18, 2)) as paid_amount,
        _known_at,
        _superseded_at
    from {{ ref('fct_repayments_history') }}

),

paid as (

    select distinct loan_id, term_number from repayments

),

plans as (

    select instalments.*
    from {{ ref('fct_instalments_history') }} as instalments
    inner join paid on instalments.loan_id = paid.loan_id and instalments.term_number = paid.term_number

),

moments as (

    select loan_id, term_number, _known_at as moment_at from repayments
    union
    select loan_id, term_number, _superseded_at as moment_at from repayments
    where _superseded_at is not null
    union
    select loan_id, term_number, _known_at as moment_at from plans
    union
    select loan_id, term_number, _superseded_at as moment_at from plans
    where _superseded_at is not null

),

planned as (

    select
        moments.loan_id,
        moments.term_number,
        moments.moment_at,
        plans.customer_id,
        plans.due_date,
        plans.instalment_amount
    from moments
    inner join plans
        on moments.loan_id = plans.loan_id
        and moments.term_number = plans.term_number
        and plans._known_at <= moments.moment_at
        and (plans._superseded_at is null or moments.moment_at < plans._superseded_at)

),

visible as (

    select
        planned.loan_id,
        planned.term_number,
        planned.moment_at,
        repayments.paid_date,
        repayments.paid_amount,
        planned.instalment_amount as due_amount
    from planned
    inner join repayments
        on planned.loan_id = repayments.loan_id
        and planned.term_number = repayments.term_number
        and repayments._known_at <= planned.moment_at
        and (repayments._superseded_at is null or planned.moment_at < repayments._superseded_at)

),

cleared as ({{ cleared_dates('visible', ['loan_id', 'term_number', 'moment_at']) }}),

states as (

    select
        moments.loan_id,
        moments.term_number,
        moments.moment_at,
        planned.customer_id,
        planned.due_date,
        planned.instalment_amount,
        cleared.cleared_date,
        lag(cleared.cleared_date) over (
            partition by moments.loan_id, moments.term_number order by moments.moment_at nulls last
        ) as previous_cleared_date,
        lag(planned.due_date) over (
            partition by moments.loan_id, moments.term_number order by moments.moment_at nulls last
        ) as previous_due_date,
        lag(planned.instalment_amount) over (
            partition by moments.loan_id, moments.term_number order by moments.moment_at nulls last
        ) as previous_instalment_amount
    from moments
    left join planned
        on moments.loan_id = planned.loan_id
        and moments.term_number = planned.term_number
        and moments.moment_at = planned.moment_at
    left join cleared
        on moments.loan_id = cleared.loan_id
        and moments.term_number = cleared.term_number
        and moments.moment_at = cleared.moment_at

),

changes as (

    select
        *,
        lead(moment_at) over (partition by loan_id, term_number order by moment_at nulls last) as next_moment_at
    from states
    where
        coalesce(cleared_date, cast('0001-01-01' as date))
        <> coalesce(previous_cleared_date, cast('0001-01-01' as date))
        or coalesce(due_date, cast('0001-01-01' as date)) <> coalesce(previous_due_date, cast('0001-01-01' as date))
        or coalesce(instalment_amount, -1) <> coalesce(previous_instalment_amount, -1)

)

select
    loan_id,
    term_number,
    customer_id,
    due_date,
    cleared_date,
    {{ start_of_day('cleared_date') }} as cleared_at,
    {{ days_between('due_date', 'cleared_date') }} as delay_days,
    instalment_amount,
    moment_at as _known_at,
    next_moment_at as _superseded_at
from changes
where cleared_date is not null
