{#- The two sides of a reconciliation, item by item, judged by ref_reconciliation_thresholds (对账容差与停发线).

    `compared` is a relation with one row per item of either side: funder, loan_id_funder, loan_id, core_amount and
    funder_amount (NULL: not on that side), core_date, funder_date, and first_seen_date, when the item was first seen as
    it stands. `break_type` has the classes of DOMAIN X74. A break is counted at once, but an item of one side only first
    after its days in transit. `is_above_threshold` says of a funder's items that its counted breaks are worth more than
    `fail_amount`, or are at least `fail_count` and more than `fail_share` of its items: then nothing is published; below
    it they stay in the queue and warn. -#}
{% macro judge_breaks(reconciliation, compared) %}
    select
        judged.*,
        coalesce(
            sum(is_counted * break_amount) over (partition by funder) > fail_amount
            or (
                sum(is_counted) over (partition by funder) >= fail_count
                and sum(is_counted) over (partition by funder) > fail_share * count(*) over (partition by funder)
            ), false
        ) as is_above_threshold
    from (
        select
            classed.*,
            abs(coalesce(core_amount, 0) - coalesce(funder_amount, 0)) as break_amount,
            case
                when break_type = 'matched' then 0
                when
                    break_type in ('only_left', 'only_right')
                    and {{ days_between('first_seen_date', batch_date()) }} < in_transit_days
                    then 0
                else 1
            end as is_counted
        from (
            select
                compared.*,
                thresholds.in_transit_days,
                thresholds.fail_amount,
                thresholds.fail_count,
                thresholds.fail_share,
                case
                    when compared.funder_amount is null then 'only_left'
                    when compared.core_amount is null then 'only_right'
                    when abs(compared.core_amount - compared.funder_amount) > thresholds.amount_tolerance
                        then 'amount_diff'
                    when
                        abs({{ days_between('compared.core_date', 'compared.funder_date') }})
                        > thresholds.date_tolerance_days
                        then 'date_diff'
                    else 'matched'
                end as break_type
            from {{ compared }} as compared
            inner join {{ ref('ref_reconciliation_thresholds') }} as thresholds
                on thresholds.reconciliation = '{{ reconciliation }}'
        ) as classed
    ) as judged
{% endmacro %}

{#- The columns of a reconciliation, from what judge_breaks gave. -#}
{% macro break_columns() %}
    funder,
    loan_id_funder,
    loan_id,
    break_type,
    cast(coalesce(core_amount, 0) as decimal(18, 2)) as core_amount,
    cast(coalesce(funder_amount, 0) as decimal(18, 2)) as funder_amount,
    cast(coalesce(core_amount, 0) - coalesce(funder_amount, 0) as decimal(18, 2)) as amount_difference_amount,
    first_seen_date,
    is_counted = 1 as is_counted,
    is_above_threshold
{% endmacro %}
