{#- Portable type of a canonical column. -#}
{% macro canonical_type(name) %}{{ return(type_instant() if name == 'instant' else name) }}{% endmacro %}

{#- Every version of a canonical entity (统一实体的全部版本), from all staging models that conform to it.

    Two clocks: `_known_at` is when the platform could first know the row; `_superseded_at` is when a newer version of
    its key, or of its whole delivery, was known (NULL: still current). Only deliveries up to the batch date take part. -#}
{% macro conformed_history(entity, key) %}
{%- set columns = var('canonical')[entity] -%}
{%- set models = var('conformed').get(entity, []) -%}
with

deliveries as (

    select delivery_id, superseded_at
    from {{ ref('stg_platform__deliveries') }}

),

unioned as (
{% for model in models %}
    select
        {%- for column, type in columns.items() %}
        cast({{ column }} as {{ canonical_type(type) }}) as {{ column }},
        {%- endfor %}
        _delivery_id, _line_number, _batch_date, _sequence, _known_at
    from {{ ref(model) }}
    where _batch_date <= cast('{{ var("batch_date") }}' as date)
    {% if not loop.last %}union all{% endif %}
{%- else %}
    select
        {%- for column, type in columns.items() %}
        cast(null as {{ canonical_type(type) }}) as {{ column }},
        {%- endfor %}
        cast(null as string) as _delivery_id, cast(null as bigint) as _line_number, cast(null as date) as _batch_date,
        cast(null as int) as _sequence, cast(null as {{ type_instant() }}) as _known_at
    where 1 = 0
{%- endfor %}

),

versioned as (

    select
        unioned.*,
        deliveries.superseded_at as delivery_superseded_at,
        lead(unioned._known_at) over (
            partition by {{ key | map('string') | join(', ') }}
            order by unioned._known_at nulls last, unioned._batch_date nulls last, unioned._sequence nulls last,
                unioned._line_number nulls last, unioned._delivery_id nulls last
        ) as next_known_at
    from unioned
    inner join deliveries on unioned._delivery_id = deliveries.delivery_id

)

select
    {% for column in columns -%}
    {{ column }},
    {% endfor -%}
    _delivery_id,
    _line_number,
    _batch_date,
    _known_at,
    cast(
        case
            when delivery_superseded_at is null then next_known_at
            when next_known_at is null then delivery_superseded_at
            else least(delivery_superseded_at, next_known_at)
        end as {{ type_instant() }}
    ) as _superseded_at
from versioned
{% endmacro %}

{#- The dates for which daily figures are derived: the batch date and every earlier one with a delivery. -#}
{% macro as_of_dates() %}
{%- for day in var('as_of_dates') or [var('batch_date')] %}
    select cast('{{ day }}' as date) as as_of_date{% if not loop.last %} union all{% endif %}
{%- endfor %}
{% endmacro %}

{#- The customer of an anchor (锚点): one checksum-valid identity number, known only by its token. -#}
{% macro customer_id(anchor_token) %}substr({{ anchor_token }}, 1, 32){% endmacro %}

{#- Canonical meaning of a raw code: join the code table once per code column. -#}
{% macro join_code(alias, code_set, column) -%}
left join {{ ref('ref_codes') }} as {{ alias }}
    on {{ alias }}.code_set = '{{ code_set }}' and {{ alias }}.code = {{ column }}
{%- endmacro %}
