select *
from {{ ref('fct_decisions_history') }}
where _superseded_at is null
