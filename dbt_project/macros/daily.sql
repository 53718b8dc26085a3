{#- The business dates of which daily tables hold figures: of every landed delivery up to the run's, and those asked. -#}
{% macro as_of_dates() %}select as_of_date from {{ ref('stg_platform__run_dates') }}{% endmacro %}

{#- A daily table (日切片) holds one slice a date and writes only those whose inputs are not what they were: each slice
    carries the fingerprint of what it was derived from (`int_dates_fingerprinted`). Before a run the slices of other
    inputs, and of dates that are no longer asked, are dropped; the model then derives what is not there. Killed between
    the two, the next run does the same. -#}
{% macro drop_stale_slices() %}
{%- if is_incremental() %}
delete from {{ this }}
where not exists (
    select 1
    from {{ ref('int_dates_fingerprinted') }} as asked
    where asked.as_of_date = {{ this.identifier }}.as_of_date and asked.inputs_hash = {{ this.identifier }}._inputs_hash
)
{%- endif %}
{% endmacro %}

{#- The dates that a daily table has to derive, each with the fingerprint of its inputs. -#}
{% macro dates_to_derive() %}
    select as_of_date, inputs_hash
    from {{ ref('int_dates_fingerprinted') }}
    {%- if is_incremental() %}
    where as_of_date not in (select as_of_date from {{ this }})
    {%- endif %}
{% endmacro %}

{#- Loans at the end of dates (借据日切片): fct_loan_states read for every date of the relation `dates`. -#}
{% macro loan_days(dates) %}
    select
        {{ dates }}.as_of_date,
        states.loan_id,
        states.customer_id,
        states.loan_id_funder,
        states.funder,
        states.balance_before_compensation_amount,
        states.balance_after_compensation_amount,
        states.overdue_principal_amount,
        {%- for view in ['before_compensation', 'after_compensation'] %}
        {%- set dpd = days_between('states.oldest_open_due_date_' ~ view, dates ~ '.as_of_date') %}
        cast(coalesce({{ dpd }}, 0) as int) as dpd_{{ view }},
        cast(greatest(coalesce({{ dpd }}, 0), states.worst_delay_days_{{ view }}) as int) as dpd_ever_{{ view }}
        {%- if not loop.last %},{% endif %}
        {%- endfor %}
    from {{ ref('fct_loan_states') }} as states
    inner join {{ dates }}
        on states.valid_from <= {{ dates }}.as_of_date
        and (states.valid_to is null or {{ dates }}.as_of_date < states.valid_to)
{% endmacro %}

{#- The same by calibre (口径): before compensation the customer's view, after it the funder's. -#}
{% macro loan_days_by_calibre(days) %}
    {%- for view in ['before_compensation', 'after_compensation'] %}
    select
        as_of_date,
        loan_id,
        customer_id,
        '{{ view }}' as calibre,
        balance_{{ view }}_amount as balance_amount,
        dpd_{{ view }} as dpd
    from {{ days }}
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
{% endmacro %}
