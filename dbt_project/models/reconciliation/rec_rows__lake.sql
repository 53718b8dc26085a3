-- Each landed delivery: the rows that the ledger counted when it landed against those that lie in the lake today.
with

deliveries as (

    select * from {{ ref('stg_platform__deliveries') }}

),

lake as (
{% for dataset in var('datasets') %}
    select
        _delivery_id as delivery_id,
        count(*) as rows_in_lake
    from {{ source(dataset[0], dataset[1]) }}
    group by _delivery_id
    {% if not loop.last %}union all{% endif %}
{%- else %}
    select
        cast(null as string) as delivery_id,
        cast(null as bigint) as rows_in_lake
    where 1 = 0
{%- endfor %}

)

select
    deliveries.delivery_id,
    deliveries.source,
    deliveries.dataset,
    deliveries.batch_date,
    deliveries.rows_landed,
    cast(coalesce(lake.rows_in_lake, 0) as bigint) as rows_in_lake
from deliveries
left join lake on deliveries.delivery_id = lake.delivery_id
