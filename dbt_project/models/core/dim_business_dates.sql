select
    as_of_date,
    is_reopened
from {{ ref('stg_platform__run_dates') }}
