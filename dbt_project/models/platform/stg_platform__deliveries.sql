with

source as (

    select * from {{ source('platform', 'deliveries') }}

)

select
    delivery_id,
    source,
    dataset,
    batch_date,
    sequence,
    version,
    token_key,
    received_at,
    superseded_at,
    rows_in,
    rows_landed,
    rows_quarantined
from source
