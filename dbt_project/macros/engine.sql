{#- What the engines do differently, each with a DuckDB and a Spark form; models name none of it themselves. -#}

{#- The form of a macro for the engine at hand: the target's, or the one the portable-SQL lint compiles for.
    (`adapter.dispatch` knows the target only.) -#}
{% macro dispatched(name) %}
{%- set engine = var('compile_for', target.type) -%}
{{ return(context.get(engine ~ '__' ~ name) or context['default__' ~ name]) }}
{% endmacro %}

{% macro type_instant() %}{{ return(dispatched('type_instant')()) }}{% endmacro %}
{% macro duckdb__type_instant() %}timestamptz{% endmacro %}
{% macro spark__type_instant() %}timestamp{% endmacro %}

{#- The Beijing calendar date of an instant (业务日期). -#}
{% macro business_date(instant) %}{{ return(dispatched('business_date')(instant)) }}{% endmacro %}
{% macro duckdb__business_date(instant) %}cast(timezone('Asia/Shanghai', {{ instant }}) as date){% endmacro %}
{% macro spark__business_date(instant) %}cast({{ instant }} as date){% endmacro %}

{#- Midnight in Beijing at which a date begins. -#}
{% macro start_of_day(day) %}{{ return(dispatched('start_of_day')(day)) }}{% endmacro %}
{% macro duckdb__start_of_day(day) %}timezone('Asia/Shanghai', cast({{ day }} as timestamp)){% endmacro %}
{% macro spark__start_of_day(day) %}cast({{ day }} as timestamp){% endmacro %}

{#- An instant some seconds later. -#}
{% macro seconds_after(instant, seconds) %}{{ return(dispatched('seconds_after')(instant, seconds)) }}{% endmacro %}
{% macro duckdb__seconds_after(instant, seconds) %}({{ instant }} + to_seconds({{ seconds }})){% endmacro %}
{% macro spark__seconds_after(instant, seconds) %}timestampadd(second, {{ seconds }}, {{ instant }}){% endmacro %}

{#- Calendar days from one date to another. -#}
{% macro days_between(earlier, later) %}{{ return(dispatched('days_between')(earlier, later)) }}{% endmacro %}
{% macro duckdb__days_between(earlier, later) %}cast(date_diff('day', {{ earlier }}, {{ later }}) as int){% endmacro %}
{% macro spark__days_between(earlier, later) %}datediff({{ later }}, {{ earlier }}){% endmacro %}

{#- The date some days after (or, of a negative number, before) another. -#}
{% macro days_after(day, days) %}{{ return(dispatched('days_after')(day, days)) }}{% endmacro %}
{% macro duckdb__days_after(day, days) %}cast({{ day }} + ({{ days }}) as date){% endmacro %}
{% macro spark__days_after(day, days) %}date_add({{ day }}, {{ days }}){% endmacro %}

{#- A ratio of two amounts or counts as a fraction of 1, rounded to nine places; NULL where there is no denominator. -#}
{% macro rate(numerator, denominator) %}{{ return(dispatched('rate')(numerator, denominator)) }}{% endmacro %}
{% macro default__rate(numerator, denominator) -%}
    cast(round(cast({{ numerator }} as double) / nullif(cast({{ denominator }} as double), 0), 9) as decimal(18, 9))
{%- endmacro %}
