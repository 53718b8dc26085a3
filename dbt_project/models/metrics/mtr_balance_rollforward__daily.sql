-- BAL-02: open + disbursed − repaid − compensated ± reversed = close, by date, calibre and funder; open is the balance
-- at the end of the day before. The identity is worked out for every loan; `broken_loan_count` says for how many it
-- fails, so that two errors of opposite sign do not hide each other.
--
-- A reversal takes out what is still owed of the loan (principal less what was applied to it before); what moves on the
-- loan on or after that day is no movement of a balance. What a guarantor pays moves the balance after compensation
-- only.
with

dates as ({{ as_of_dates() }}),

loans as (

    select * from {{ ref('fct_loans') }}

),

balances as (

    select
        dates.as_of_date,
        states.loan_id,
        case
            when states.valid_from < dates.as_of_date and (
                states.valid_to is null or {{ days_after('dates.as_of_date', -1) }} < states.valid_to
            ) then 1
            else 0
        end as is_open,
        case
            when states.valid_from <= dates.as_of_date and (
                states.valid_to is null or dates.as_of_date < states.valid_to
            ) then 1
            else 0
        end as is_close,
        states.balance_before_compensation_amount,
        states.balance_after_compensation_amount
    from {{ ref('fct_loan_states') }} as states
    inner join dates
        on states.valid_from <= dates.as_of_date
        and (states.valid_to is null or {{ days_after('dates.as_of_date', -1) }} < states.valid_to)

),

payments as (

    select
        loans.loan_id,
        greatest(applied.paid_date, loans.funded_date) as moved_date,
        loans.reversed_date,
        applied.payer,
        applied.to_debt_amount,
        applied.to_funder_amount
    from {{ ref('int_instalment_payments_applied') }} as applied
    inner join loans
        on applied.loan_id = loans.loan_id
        and (loans.reversed_date is null or applied.paid_date < loans.reversed_date)

),

before_reversal as (

    select loan_id, sum(to_debt_amount) as to_debt_amount, sum(to_funder_amount) as to_funder_amount
    from payments
    where reversed_date is not null
    group by loan_id

),

movements as (

    select
        dates.as_of_date,
        loans.loan_id,
        'disbursed' as movement_type,
        loans.principal_amount as before_amount,
        loans.principal_amount as after_amount
    from loans
    inner join dates on loans.funded_date = dates.as_of_date

    union all

    select
        dates.as_of_date,
        payments.loan_id,
        case payments.payer when 'customer' then 'repaid' else 'compensated' end as movement_type,
        -payments.to_debt_amount as before_amount,
        -payments.to_funder_amount as after_amount
    from payments
    inner join dates on payments.moved_date = dates.as_of_date

    union all

    select
        dates.as_of_date,
        loans.loan_id,
        'reversed' as movement_type,
        coalesce(before_reversal.to_debt_amount, 0) - loans.principal_amount as before_amount,
        coalesce(before_reversal.to_funder_amount, 0) - loans.principal_amount as after_amount
    from loans
    inner join dates on loans.reversed_date = dates.as_of_date
    left join before_reversal on loans.loan_id = before_reversal.loan_id

),

changes as (
    {% for view in ['before', 'after'] %}
    select
        as_of_date,
        loan_id,
        '{{ view }}_compensation' as calibre,
        case when is_open = 1 then balance_{{ view }}_compensation_amount else 0 end as open_amount,
        case when is_close = 1 then balance_{{ view }}_compensation_amount else 0 end as close_amount,
        0 as disbursed_amount,
        0 as repaid_amount,
        0 as compensated_amount,
        0 as reversed_amount
    from balances

    union all

    select
        as_of_date,
        loan_id,
        '{{ view }}_compensation' as calibre,
        0 as open_amount,
        0 as close_amount,
        case when movement_type = 'disbursed' then {{ view }}_amount else 0 end as disbursed_amount,
        case when movement_type = 'repaid' then -{{ view }}_amount else 0 end as repaid_amount,
        case when movement_type = 'compensated' then -{{ view }}_amount else 0 end as compensated_amount,
        case when movement_type = 'reversed' then {{ view }}_amount else 0 end as reversed_amount
    from movements
    {% if not loop.last %}
    union all
    {% endif %}
    {% endfor %}
),

by_loan as (

    select
        as_of_date,
        loan_id,
        calibre,
        sum(open_amount) as open_amount,
        sum(disbursed_amount) as disbursed_amount,
        sum(repaid_amount) as repaid_amount,
        sum(compensated_amount) as compensated_amount,
        sum(reversed_amount) as reversed_amount,
        sum(close_amount) as close_amount,
        sum(
            open_amount + disbursed_amount - repaid_amount - compensated_amount + reversed_amount - close_amount
        ) as unexplained_amount
    from changes
    group by as_of_date, loan_id, calibre

)

select
    by_loan.as_of_date,
    by_loan.calibre,
    coalesce(loans.funder, '{{ var("unstated") }}') as funder,
    cast(sum(by_loan.open_amount) as decimal(18, 2)) as open_amount,
    cast(sum(by_loan.disbursed_amount) as decimal(18, 2)) as disbursed_amount,
    cast(sum(by_loan.repaid_amount) as decimal(18, 2)) as repaid_amount,
    cast(sum(by_loan.compensated_amount) as decimal(18, 2)) as compensated_amount,
    cast(sum(by_loan.reversed_amount) as decimal(18, 2)) as reversed_amount,
    cast(sum(by_loan.close_amount) as decimal(18, 2)) as close_amount,
    cast(sum(by_loan.unexplained_amount) as decimal(18, 2)) as unexplained_amount,
    cast(sum(case when by_loan.unexplained_amount <> 0 then 1 else 0 end) as bigint) as broken_loan_count
from by_loan
left join loans on by_loan.loan_id = loans.loan_id
group by by_loan.as_of_date, by_loan.calibre, coalesce(loans.funder, '{{ var("unstated") }}')
