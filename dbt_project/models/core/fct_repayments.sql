select *
from {{ ref('fct_repayments_history') }}
where _superseded_at is null
