with

versions as ({{ conformed_history('repayments', ['repayment_id', 'term_number']) }})

select
    versions.repayment_id,
    versions.loan_id,
    versions.term_number,
    owners.customer_id,
    versions.paid_at,
    {{ business_date('versions.paid_at') }} as paid_date,
    versions.principal_amount,
    versions.interest_amount,
    versions.fee_amount,
    versions.penalty_amount,
    cast(
        versions.principal_amount + versions.interest_amount + versions.fee_amount + versions.penalty_amount
        as decimal(18, 2)
    ) as total_amount,
    versions.payment_method,
    versions.repay_type,
    versions._delivery_id,
    versions._line_number,
    versions._known_at,
    versions._superseded_at
from versions
left join {{ ref('int_loans_owned') }} as owners on versions.loan_id = owners.loan_id
