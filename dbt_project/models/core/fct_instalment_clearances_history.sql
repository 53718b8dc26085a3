-- When an instalment was cleared by the customer, as it was known at each time: at every moment at which a payment of
-- it became known or was superseded, the clear date is worked out from the payments visible then.
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

moments as (

    select loan_id, term_number, _known_at as moment_at from repayments
    union
    select loan_id, term_number, _superseded_at as moment_at from repayments
    where _superseded_at is not null

),

visible as (

    select
        moments.loan_id,
        moments.term_number,
        moments.moment_at,
        repayments.paid_date,
        repayments.paid_amount,
        instalments.instalment_amount as due_amount
    from moments
    inner join repayments
        on moments.loan_id = repayments.loan_id
        and moments.term_number = repayments.term_number
        and repayments._known_at <= moments.moment_at
        and (repayments._superseded_at is null or moments.moment_at < repayments._superseded_at)
    inner join {{ ref('fct_instalments_history') }} as instalments
        on moments.loan_id = instalments.loan_id
        and moments.term_number = instalments.term_number
        and instalments._superseded_at is null

),

cleared as ({{ cleared_dates('visible', ['loan_id', 'term_number', 'moment_at']) }}),

states as (

    select
        moments.loan_id,
        moments.term_number,
        moments.moment_at,
        cleared.cleared_date,
        lag(cleared.cleared_date) over (
            partition by moments.loan_id, moments.term_number order by moments.moment_at nulls last
        ) as previous_cleared_date
    from moments
    left join cleared
        on moments.loan_id = cleared.loan_id
        and moments.term_number = cleared.term_number
        and moments.moment_at = cleared.moment_at

),

changes as (

    select
        loan_id,
        term_number,
        moment_at,
        cleared_date,
        lead(moment_at) over (partition by loan_id, term_number order by moment_at nulls last) as next_moment_at
    from states
    where
        coalesce(cleared_date, cast('0001-01-01' as date))
        <> coalesce(previous_cleared_date, cast('0001-01-01' as date))

)

select
    changes.loan_id,
    changes.term_number,
    instalments.customer_id,
    instalments.due_date,
    changes.cleared_date,
    {{ start_of_day('changes.cleared_date') }} as cleared_at,
    {{ days_between('instalments.due_date', 'changes.cleared_date') }} as delay_days,
    instalments.instalment_amount,
    changes.moment_at as _known_at,
    changes.next_moment_at as _superseded_at
from changes
inner join {{ ref('fct_instalments_history') }} as instalments
    on changes.loan_id = instalments.loan_id
    and changes.term_number = instalments.term_number
    and instalments._superseded_at is null
where changes.cleared_date is not null
