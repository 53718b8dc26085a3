with

versions as ({{ conformed_history('compensations', ['compensation_id', 'term_number']) }})

select
    versions.compensation_id,
    owners.loan_id,
    versions.term_number,
    owners.customer_id,
    versions.funder,
    versions.loan_id_funder,
    versions.compensated_date,
    {{ start_of_day('versions.compensated_date') }} as compensated_at,
    versions.principal_amount,
    versions.interest_amount,
    versions.compensation_type,
    versions._delivery_id,
    versions._line_number,
    versions._known_at,
    versions._superseded_at
from versions
left join {{ ref('int_loans_owned') }} as owners
    on versions.funder = owners.funder and versions.loan_id_funder = owners.loan_id_funder
