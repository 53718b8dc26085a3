with

source as (

    select * from {{ source('dept_marketing', 'clicks') }}

)

select
    source.click_no as click_id,
    source.clicked_at,
    platforms.canonical as platform,
    source.campaign,
    source.ad_copy,
    source.mobile_token,
    source.mobile_masked,
    source.lead_id,
    source.cost_amount,
    source.daily_budget_amount,
    source.commission_rate_per_ten_thousand * 0.0001 as commission_rate,
    source._delivery_id,
    source._line_number,
    source._batch_date,
    source._sequence,
    source._known_at
from source
{{ join_code('platforms', 'dept_marketing.platform', 'source.platform_code') }}
