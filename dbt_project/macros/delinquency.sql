{#- The business date of the run. -#}
{% macro batch_date() %}cast('{{ var("batch_date") }}' as date){% endmacro %}

{#- Worst DPD an instalment has had by the end of `day` (历史最大逾期天数); a payment on the day counts up to it. -#}
{% macro dpd_ever(cleared_date, due_date, day) -%}
    case
        when {{ day }} <= {{ due_date }} then 0
        else greatest({{ days_between(due_date, 'least(' ~ day ~ ', coalesce(' ~ cleared_date ~ ', ' ~ day ~ '))') }}, 0)
    end
{%- endmacro %}

{#- The predicate that a loan stands at the end of `day`: paid out, and not reversed (冲正) by then. A reversal on a
    later day leaves the days before it as they were. -#}
{% macro loan_stands(loans, day) -%}
    {{ loans }}.funded_date <= {{ day }} and ({{ loans }}.reversed_date is null or {{ day }} < {{ loans }}.reversed_date)
{%- endmacro %}

{#- How much of a running total lies within a cap; all of it where there is no cap. -#}
{% macro within(cap, total) %}case when {{ cap }} is null then {{ total }} else least({{ cap }}, {{ total }}) end{% endmacro %}
