{#- The row of each key that was known last, a current one before a superseded one. A corrected owner is thereby
    corrected for all of the key's past: an identity is not an event. -#}
{% macro known_last(history, key, columns) %}
    select {{ key }}, {{ columns | join(', ') }}
    from (
        select
            {{ key }},
            {{ columns | join(', ') }},
            row_number() over (
                partition by {{ key }}
                order by
                    case when _superseded_at is null then 0 else 1 end nulls last,
                    _known_at desc nulls last,
                    _delivery_id nulls last,
                    _line_number nulls last
            ) as place
        from {{ history }}
    ) as versions
    where place = 1
{% endmacro %}
