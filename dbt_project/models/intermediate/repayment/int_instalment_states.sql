-- One row per instalment of the current plan and interval of days (valid_from to before valid_to) in which nothing is
-- paid on it: what is paid, whether it is open at the end of each day in both views, and if not, since when.
--
-- The economic reading of money that goes back (退票, 拒付): what was returned was never paid. Until the return the
-- instalment counts as cleared, as everybody then had it; from the day of the return it is open again and its delay
-- counts from its due date, not from the return.
--
-- After compensation (代偿后) an instalment is cleared once principal and interest are paid by anyone; or once it is
-- bought back and its principal paid: the funder has sold it with the interest up to that day and is owed no more
-- (C14), so nothing of it is overdue to the funder.
with

instalments as (

    select instalments.*, loans.funded_date
    from {{ ref('fct_instalments_history') }} as instalments
    inner join {{ ref('fct_loans') }} as loans on instalments.loan_id = loans.loan_id
    where instalments._superseded_at is null

),

moved as (

    select
        loan_id,
        term_number,
        paid_date as valid_from,
        sum(case when payer = 'customer' then principal_amount else 0 end) as by_customer_principal_amount,
        sum(case when payer = 'customer' then paid_amount else 0 end) as by_customer_amount,
        sum(principal_amount) as by_anyone_principal_amount,
        sum(principal_and_interest_amount) as by_anyone_amount,
        sum(buyback_count) as buyback_count
    from {{ ref('int_instalment_payments') }}
    group by loan_id, term_number, paid_date

    union all

    -- Before the first payment; a payment can be no older than the payout.
    select
        instalments.loan_id,
        instalments.term_number,
        cast('0001-01-01' as date) as valid_from,
        cast(0 as decimal(18, 2)) as by_customer_principal_amount,
        cast(0 as decimal(18, 2)) as by_customer_amount,
        cast(0 as decimal(18, 2)) as by_anyone_principal_amount,
        cast(0 as decimal(18, 2)) as by_anyone_amount,
        0 as buyback_count
    from instalments

),

running as (

    select
        loan_id,
        term_number,
        valid_from,
        lead(valid_from) over (partition by loan_id, term_number order by valid_from nulls last) as valid_to,
        sum(by_customer_principal_amount) over (
            partition by loan_id, term_number order by valid_from nulls last
            rows between unbounded preceding and current row
        ) as by_customer_principal_amount,
        sum(by_customer_amount) over (
            partition by loan_id, term_number order by valid_from nulls last
            rows between unbounded preceding and current row
        ) as by_customer_amount,
        sum(by_anyone_principal_amount) over (
            partition by loan_id, term_number order by valid_from nulls last
            rows between unbounded preceding and current row
        ) as by_anyone_principal_amount,
        sum(by_anyone_amount) over (
            partition by loan_id, term_number order by valid_from nulls last
            rows between unbounded preceding and current row
        ) as by_anyone_amount,
        sum(buyback_count) over (
            partition by loan_id, term_number order by valid_from nulls last
            rows between unbounded preceding and current row
        ) as buyback_count
    from moved

),

judged as (

    select
        running.*,
        instalments.customer_id,
        instalments.funded_date,
        instalments.due_date,
        instalments.principal_amount,
        coalesce(running.by_customer_amount < instalments.instalment_amount, false) as is_open_before_compensation,
        coalesce(
            running.by_anyone_amount < instalments.principal_amount + instalments.interest_amount
            and not (
                running.buyback_count > 0 and running.by_anyone_principal_amount >= instalments.principal_amount
            ), false
        ) as is_open_after_compensation
    from running
    inner join instalments
        on running.loan_id = instalments.loan_id and running.term_number = instalments.term_number

),

spelled as (

    select
        judged.*,
        max(case when is_open_before_compensation then valid_to end) over (
            partition by loan_id, term_number order by valid_from nulls last
            rows between unbounded preceding and current row
        ) as last_opened_to_before_compensation,
        max(case when is_open_after_compensation then valid_to end) over (
            partition by loan_id, term_number order by valid_from nulls last
            rows between unbounded preceding and current row
        ) as last_opened_to_after_compensation
    from judged

)

select
    loan_id,
    term_number,
    customer_id,
    due_date,
    principal_amount,
    greatest(valid_from, funded_date) as valid_from,
    valid_to,
    cast(
        {{ within('principal_amount', 'by_customer_principal_amount') }} as decimal(18, 2)
    ) as paid_principal_amount,
    is_open_before_compensation,
    is_open_after_compensation,
    case
        when not is_open_before_compensation
            then greatest(coalesce(last_opened_to_before_compensation, funded_date), funded_date)
    end as cleared_date_before_compensation,
    case
        when not is_open_after_compensation
            then greatest(coalesce(last_opened_to_after_compensation, funded_date), funded_date)
    end as cleared_date_after_compensation
from spelled
where valid_to is null or funded_date < valid_to
