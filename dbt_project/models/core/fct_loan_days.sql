{{ config(materialized='view') }}
-- One row per standing loan and date, at the end of the date: fct_loan_states read for the dates that are asked. A
-- view, so that a date costs nothing until somebody reads it.
with

dates as (select as_of_date from {{ ref('dim_business_dates') }}),

days as ({{ loan_days('dates') }})

select * from days
