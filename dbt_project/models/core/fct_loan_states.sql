-- One row per loan and interval of days (valid_from to before valid_to) in which nothing changes but time, so that a
-- day's figures are a reading: DPD = day − oldest open due date, or 0; worst DPD so far = the greater of that and the
-- worst delay of what is cleared. The last interval of a reversed loan ends on its reversal.
with

loans as (

    select * from {{ ref('fct_loans') }}
    where reversed_date is null or funded_date < reversed_date

),

paid as (

    select
        loans.loan_id,
        greatest(payments.paid_date, loans.funded_date) as valid_from,
        sum(payments.to_debt_amount) as to_debt_amount,
        sum(payments.to_funder_amount) as to_funder_amount
    from {{ ref('int_instalment_payments_applied') }} as payments
    inner join loans on payments.loan_id = loans.loan_id
    group by loans.loan_id, greatest(payments.paid_date, loans.funded_date)

),

-- Intervals in which an instalment is overdue in a view, or cleared late; one that is paid in time has none.
delays as (

    select
        loan_id,
        greatest(valid_from, {{ days_after('due_date', 1) }}) as valid_from,
        valid_to,
        principal_amount - paid_principal_amount as unpaid_principal_amount,
        case when is_open_before_compensation then due_date end as open_due_date_before,
        case when is_open_after_compensation then due_date end as open_due_date_after,
        {{ days_between('due_date', 'cleared_date_before_compensation') }} as delay_before,
        {{ days_between('due_date', 'cleared_date_after_compensation') }} as delay_after
    from {{ ref('int_instalment_states') }}
    where
        due_date < {{ batch_date() }}
        and (valid_to is null or {{ days_after('due_date', 1) }} < valid_to)
        and (
            is_open_before_compensation
            or is_open_after_compensation
            or due_date < cleared_date_before_compensation
            or due_date < cleared_date_after_compensation
        )

),

starts as (

    select loan_id, funded_date as valid_from from loans
    union
    select loan_id, valid_from from paid
    union
    select delays.loan_id, greatest(delays.valid_from, loans.funded_date) as valid_from
    from delays
    inner join loans on delays.loan_id = loans.loan_id

),

intervals as (

    select
        starts.loan_id,
        starts.valid_from,
        coalesce(
            lead(starts.valid_from) over (partition by starts.loan_id order by starts.valid_from nulls last),
            loans.reversed_date
        ) as valid_to,
        sum(coalesce(paid.to_debt_amount, 0)) over (
            partition by starts.loan_id order by starts.valid_from nulls last
            rows between unbounded preceding and current row
        ) as to_debt_amount,
        sum(coalesce(paid.to_funder_amount, 0)) over (
            partition by starts.loan_id order by starts.valid_from nulls last
            rows between unbounded preceding and current row
        ) as to_funder_amount
    from starts
    inner join loans
        on starts.loan_id = loans.loan_id
        and (loans.reversed_date is null or starts.valid_from < loans.reversed_date)
    left join paid on starts.loan_id = paid.loan_id and starts.valid_from = paid.valid_from

),

late as (

    select
        intervals.loan_id,
        intervals.valid_from,
        sum(case when delays.open_due_date_before is not null then delays.unpaid_principal_amount else 0 end)
            as overdue_principal_amount,
        min(delays.open_due_date_before) as oldest_open_due_date_before,
        min(delays.open_due_date_after) as oldest_open_due_date_after,
        max(delays.delay_before) as worst_delay_before,
        max(delays.delay_after) as worst_delay_after
    from intervals
    inner join delays
        on intervals.loan_id = delays.loan_id
        and delays.valid_from <= intervals.valid_from
        and (delays.valid_to is null or intervals.valid_from < delays.valid_to)
    group by intervals.loan_id, intervals.valid_from

)

select
    intervals.loan_id,
    loans.customer_id,
    loans.loan_id_funder,
    loans.funder,
    intervals.valid_from,
    intervals.valid_to,
    cast(loans.principal_amount - intervals.to_debt_amount as decimal(18, 2)) as balance_before_compensation_amount,
    cast(loans.principal_amount - intervals.to_funder_amount as decimal(18, 2)) as balance_after_compensation_amount,
    cast(coalesce(late.overdue_principal_amount, 0) as decimal(18, 2)) as overdue_principal_amount,
    late.oldest_open_due_date_before as oldest_open_due_date_before_compensation,
    late.oldest_open_due_date_after as oldest_open_due_date_after_compensation,
    cast(greatest(coalesce(late.worst_delay_before, 0), 0) as int) as worst_delay_days_before_compensation,
    cast(greatest(coalesce(late.worst_delay_after, 0), 0) as int) as worst_delay_days_after_compensation
from intervals
inner join loans on intervals.loan_id = loans.loan_id
left join late on intervals.loan_id = late.loan_id and intervals.valid_from = late.valid_from
