select *
from {{ ref('fct_compensations_history') }}
where _superseded_at is null
