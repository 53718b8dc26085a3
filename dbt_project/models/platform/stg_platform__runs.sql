{{ config(materialized='table') }}

with

source as (

    select * from {{ source('platform', 'runs') }}

)

select
    batch_date,
    known_at,
    project
from source
