-- Every movement of a principal balance, signed: + raises what the customer owes. Compensation moves the funder's
-- balance only; the customer still owes it, to the guarantor.
select
    'loan:' || loan_id || ':' || loan_event as movement_id,
    customer_id,
    loan_id,
    case loan_event when 'funded' then 'disbursed' else 'reversed' end as movement_type,
    case loan_event when 'funded' then funded_at else posted_at end as moved_at,
    cast(case loan_event when 'funded' then principal_amount else -principal_amount end as decimal(18, 2))
        as principal_amount,
    _known_at,
    _superseded_at
from {{ ref('fct_loans_history') }}

union all

select
    'repayment:' || repayment_id || ':' || cast(term_number as string) as movement_id,
    customer_id,
    loan_id,
    -- What goes back to the customer (退票, 拒付) raises the balance again: the reversal of a repayment.
    case when principal_amount < 0 then 'reversed' else 'repaid' end as movement_type,
    paid_at as moved_at,
    cast(-principal_amount as decimal(18, 2)) as principal_amount,
    _known_at,
    _superseded_at
from {{ ref('fct_repayments_history') }}

union all

select
    'compensation:' || funder || ':' || compensation_id || ':' || cast(term_number as string) as movement_id,
    customer_id,
    loan_id,
    'compensated' as movement_type,
    compensated_at as moved_at,
    cast(-principal_amount as decimal(18, 2)) as principal_amount,
    _known_at,
    _superseded_at
from {{ ref('fct_compensations_history') }}
