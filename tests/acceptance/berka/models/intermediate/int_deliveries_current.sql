-- The delivery of each dataset that counts on the batch date: the standing version of its latest snapshot.
with

standing as (

    select
        *,
        max(batch_date) over (partition by source, dataset) as latest_batch_date
    from {{ ref('stg_platform__deliveries') }}
    where superseded_at is null and batch_date <= {{ batch_date() }}

)

select
    delivery_id,
    source,
    dataset,
    batch_date
from standing
where batch_date = latest_batch_date
