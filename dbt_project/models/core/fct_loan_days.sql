-- One row per standing loan and date, at the end of the date; every business date up to the batch date, derived again.
with

dates as ({{ as_of_dates() }}),

loans as (

    select dates.as_of_date, loans.*
    from {{ ref('fct_loans') }} as loans
    cross join dates
    where loans.funded_date <= dates.as_of_date and not loans.is_reversed

),

instalments as (

    select
        dates.as_of_date,
        instalments.loan_id,
        instalments.term_number,
        instalments.principal_amount,
        {{ dpd('instalments.cleared_date_before_compensation', 'instalments.due_date', 'dates.as_of_date') }}
            as dpd_before_compensation,
        {{ dpd('instalments.cleared_date_after_compensation', 'instalments.due_date', 'dates.as_of_date') }}
            as dpd_after_compensation,
        {{ dpd_ever('instalments.cleared_date_before_compensation', 'instalments.due_date', 'dates.as_of_date') }}
            as dpd_ever_before_compensation,
        {{ dpd_ever('instalments.cleared_date_after_compensation', 'instalments.due_date', 'dates.as_of_date') }}
            as dpd_ever_after_compensation
    from {{ ref('fct_instalments') }} as instalments
    cross join dates

),

paid as (

    select
        dates.as_of_date,
        payments.loan_id,
        payments.term_number,
        sum(case when payments.payer = 'customer' then payments.principal_amount else 0 end) as by_customer_amount,
        sum(payments.principal_amount) as by_anyone_amount
    from {{ ref('int_instalment_payments') }} as payments
    inner join dates on payments.paid_date <= dates.as_of_date
    group by dates.as_of_date, payments.loan_id, payments.term_number

),

states as (

    select
        instalments.as_of_date,
        instalments.loan_id,
        sum(coalesce(paid.by_customer_amount, 0)) as paid_by_customer_amount,
        -- What the customer pays on a compensated instalment goes to the guarantor: the funder is paid once.
        sum(least(instalments.principal_amount, coalesce(paid.by_anyone_amount, 0))) as paid_to_funder_amount,
        sum(
            case
                when instalments.dpd_before_compensation > 0
                    then instalments.principal_amount - coalesce(paid.by_customer_amount, 0)
                else 0
            end
        ) as overdue_principal_amount,
        max(instalments.dpd_before_compensation) as dpd_before_compensation,
        max(instalments.dpd_after_compensation) as dpd_after_compensation,
        max(instalments.dpd_ever_before_compensation) as dpd_ever_before_compensation,
        max(instalments.dpd_ever_after_compensation) as dpd_ever_after_compensation
    from instalments
    left join paid
        on instalments.as_of_date = paid.as_of_date
        and instalments.loan_id = paid.loan_id
        and instalments.term_number = paid.term_number
    group by instalments.as_of_date, instalments.loan_id

)

select
    loans.as_of_date,
    loans.loan_id,
    loans.customer_id,
    loans.loan_id_funder,
    loans.funder,
    cast(loans.principal_amount - coalesce(states.paid_by_customer_amount, 0) as decimal(18, 2))
        as balance_before_compensation_amount,
    cast(loans.principal_amount - coalesce(states.paid_to_funder_amount, 0) as decimal(18, 2))
        as balance_after_compensation_amount,
    cast(coalesce(states.overdue_principal_amount, 0) as decimal(18, 2)) as overdue_principal_amount,
    cast(coalesce(states.dpd_before_compensation, 0) as int) as dpd_before_compensation,
    cast(coalesce(states.dpd_after_compensation, 0) as int) as dpd_after_compensation,
    cast(coalesce(states.dpd_ever_before_compensation, 0) as int) as dpd_ever_before_compensation,
    cast(coalesce(states.dpd_ever_after_compensation, 0) as int) as dpd_ever_after_compensation
from loans
left join states on loans.as_of_date = states.as_of_date and loans.loan_id = states.loan_id
