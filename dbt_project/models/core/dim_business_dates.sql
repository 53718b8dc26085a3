select as_of_date
from {{ ref('stg_platform__run_dates') }}
