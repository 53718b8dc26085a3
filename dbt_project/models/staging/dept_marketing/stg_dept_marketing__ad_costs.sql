with

source as (

    select * from {{ source('dept_marketing', 'ad_costs') }}

)

select
    source.report_date,
    source.account_time_zone,
    source.campaign_code,
    source.campaign_name,
    source.impression_count,
    source.click_count,
    source.cost_amount_usd,
    source._delivery_id,
    source._line_number,
    source._batch_date,
    source._sequence,
    source._known_at
from source
