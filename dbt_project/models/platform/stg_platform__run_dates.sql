{{ config(materialized='table') }}

with

source as (

    select * from {{ source('platform', 'run_dates') }}

)

select
    as_of_date,
    is_reopened
from source
