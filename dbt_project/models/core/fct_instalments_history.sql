with

versions as ({{ conformed_history(
    'instalments', ['loan_id', 'term_number'], version='plan_version', whole=['loan_id']
) }})

select
    versions.loan_id,
    versions.term_number,
    owners.customer_id,
    versions.plan_version,
    versions.due_date,
    versions.principal_amount,
    versions.interest_amount,
    versions.fee_amount,
    cast(
        versions.principal_amount + versions.interest_amount + versions.fee_amount as decimal(18, 2)
    ) as instalment_amount,
    versions._delivery_id,
    versions._line_number,
    versions._known_at,
    versions._superseded_at
from versions
left join {{ ref('int_loans_owned') }} as owners on versions.loan_id = owners.loan_id
