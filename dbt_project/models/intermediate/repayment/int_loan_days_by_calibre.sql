{{ config(materialized='view') }}
-- One row per loan, date and calibre (口径): before compensation the customer's view, after it the funder's.
select
    as_of_date,
    loan_id,
    customer_id,
    'before_compensation' as calibre,
    balance_before_compensation_amount as balance_amount,
    dpd_before_compensation as dpd,
    dpd_ever_before_compensation as dpd_ever
from {{ ref('fct_loan_days') }}

union all

select
    as_of_date,
    loan_id,
    customer_id,
    'after_compensation' as calibre,
    balance_after_compensation_amount as balance_amount,
    dpd_after_compensation as dpd,
    dpd_ever_after_compensation as dpd_ever
from {{ ref('fct_loan_days') }}
