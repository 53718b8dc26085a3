-- One row per loan. `outcome` is the label: it is known when the loan has run, and no feature view reads this table.
select
    loan_id,
    account_id,
    portfolio,
    granted_date,
    principal_amount,
    term_count,
    instalment_amount,
    outcome,
    _delivery_id,
    _line_number,
    _known_at
from {{ ref('int_loans_by_department') }}
