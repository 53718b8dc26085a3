{#- Clear date (结清日) of every group of payments: the first date on which their running total reaches what is due,
    within a tolerance of 0.00 (DOMAIN.md 3.7). `payments` is a relation with the group's keys, `paid_date`,
    `paid_amount` and `due_amount`; the answer has one row a group that is cleared, with `cleared_date`. -#}
{% macro cleared_dates(payments, keys) %}
{%- set group = keys | join(', ') -%}
    select {{ group }}, min(paid_date) as cleared_date
    from (
        select
            {{ group }},
            paid_date,
            due_amount,
            sum(paid_amount) over (
                partition by {{ group }} order by paid_date nulls last
                range between unbounded preceding and current row
            ) as paid_to_date
        from {{ payments }}
    ) as running
    where paid_to_date >= due_amount
    group by {{ group }}
{% endmacro %}
