-- One row per account and day with a transaction, with the balance at its end (日终余额).
-- The files do not order the transactions of a day, but each begins at the balance where the one before ended, give or
-- take the bank's rounding to 0.10. So the last one is the one where no other begins; if that leaves several, the one
-- nearest to the sum of all amounts since the account was opened. `unexplained_amount` is the distance to that sum:
-- roundings, and on the last day of a broken file the transactions that it lost.
with

transactions as (

    select
        *,
        balance_amount - signed_amount as start_amount
    from {{ ref('fct_account_transactions') }}

),

followed as (

    select distinct earlier.transaction_id
    from transactions as earlier
    inner join transactions as later
        on earlier.account_id = later.account_id and earlier.transacted_date = later.transacted_date
    where
        earlier.transaction_id <> later.transaction_id
        and abs(later.start_amount - earlier.balance_amount) <= 0.10

),

days as (

    select
        account_id,
        transacted_date,
        sum(signed_amount) as day_amount,
        count(*) as transaction_count,
        max(_known_at) as _known_at
    from transactions
    group by account_id, transacted_date

),

running as (

    select
        *,
        sum(day_amount) over (
            partition by account_id order by transacted_date nulls last
            rows between unbounded preceding and current row
        ) as running_amount
    from days

),

ranked as (

    select
        running.*,
        transactions.balance_amount,
        transactions.balance_amount - running.running_amount as unexplained_amount,
        row_number() over (
            partition by running.account_id, running.transacted_date
            order by
                case when followed.transaction_id is null then 0 else 1 end nulls last,
                abs(transactions.balance_amount - running.running_amount) nulls last,
                transactions.transaction_id nulls last
        ) as place
    from running
    inner join transactions
        on running.account_id = transactions.account_id and running.transacted_date = transactions.transacted_date
    left join followed on transactions.transaction_id = followed.transaction_id

)

select
    account_id,
    transacted_date,
    cast(transaction_count as int) as transaction_count,
    cast(day_amount as decimal(18, 2)) as day_amount,
    cast(balance_amount as decimal(18, 2)) as balance_amount,
    cast(unexplained_amount as decimal(18, 2)) as unexplained_amount,
    _known_at
from ranked
where place = 1
