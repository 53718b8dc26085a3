{#- Clear date (结清日) of every group of payments: the first day of the spell, still running at the end, in which their
    total reaches what is due, within a tolerance of 0.00 (DOMAIN.md 3.7). Money that goes back (退票, 拒付) opens the
    group again, so that a group whose payment was returned has no clear date until it is paid once more. `payments` is
    a relation with the group's keys, `paid_date`, `paid_amount` and `due_amount`; the answer has one row a group that
    is cleared, with `cleared_date`. -#}
{% macro cleared_dates(payments, keys) %}
{%- set group = keys | join(', ') -%}
    select {{ group }}, min(paid_date) as cleared_date
    from (
        select
            {{ group }},
            paid_date,
            max(case when paid_to_date < due_amount then paid_date end) over (partition by {{ group }}) as last_open_date
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
    ) as spells
    where last_open_date is null or paid_date > last_open_date
    group by {{ group }}
{% endmacro %}
