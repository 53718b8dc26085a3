-- When each landed delivery was known and when it was replaced, in the order in which deliveries of a date landed. A
-- replacement is known at its receipt, and at least a second after what it replaces, however old its file is.
with

deliveries as (

    select
        *,
        row_number() over (
            partition by source, dataset, batch_date order by version nulls last, delivery_id nulls last
        ) as place
    from {{ ref('stg_platform__deliveries') }}

),

timed as (

    select
        *,
        {{ seconds_after(
            'max(' ~ seconds_after('received_at', '-place') ~ ') over ('
            ~ 'partition by source, dataset, batch_date order by place nulls last'
            ~ ' rows between unbounded preceding and current row)',
            'place'
        ) }} as known_at
    from deliveries

),

successors as (

    -- The ledger notes the receipt of the successor; a file that came late is its own.
    select older.delivery_id, min(newer.known_at) as known_at
    from timed as older
    inner join timed as newer
        on older.source = newer.source
        and older.dataset = newer.dataset
        and older.batch_date = newer.batch_date
        and older.place < newer.place
        and older.superseded_at = newer.received_at
    group by older.delivery_id

)

select
    timed.delivery_id,
    timed.source,
    timed.dataset,
    timed.batch_date,
    timed.sequence,
    coalesce(timed.place = 1, false) as is_first,
    timed.known_at,
    case when timed.superseded_at is not null then coalesce(successors.known_at, timed.known_at) end as superseded_at
from timed
left join successors on timed.delivery_id = successors.delivery_id
