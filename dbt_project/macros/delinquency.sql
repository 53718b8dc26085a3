{#- The business date of the run. -#}
{% macro batch_date() %}cast('{{ var("batch_date") }}' as date){% endmacro %}

{#- DPD of an instalment at the end of `day` (逾期天数): the due day is 0, the first day after it 1; 0 once cleared. -#}
{% macro dpd(cleared_date, due_date, day) -%}
    case
        when {{ day }} <= {{ due_date }} or {{ cleared_date }} <= {{ day }} then 0
        else {{ days_between(due_date, day) }}
    end
{%- endmacro %}

{#- Worst DPD an instalment has had by the end of `day` (历史最大逾期天数); a payment on the day counts up to it. -#}
{% macro dpd_ever(cleared_date, due_date, day) -%}
    case
        when {{ day }} <= {{ due_date }} then 0
        else greatest({{ days_between(due_date, 'least(' ~ day ~ ', coalesce(' ~ cleared_date ~ ', ' ~ day ~ '))') }}, 0)
    end
{%- endmacro %}
