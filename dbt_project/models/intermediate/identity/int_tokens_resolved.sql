-- The first token of every identifier that came under more than one version of the key (密钥轮换), so that what is
-- recorded under either is one person's. Tokens of the first version, and of values seen under one, are not listed.
with

equivalents as (

    select * from {{ ref('stg_platform__identifier_equivalents') }}

),

-- A later version points at the one before it; follow as many rotations as a group makes in its life.
followed as (

    select
        latest.kind,
        latest.token,
        coalesce(
            {%- for depth in range((var('key_rotations') | int), 1, -1) %}
            version_{{ depth }}.previous_token,
            {%- endfor %}
            latest.previous_token
        ) as first_token
    from equivalents as latest
    {%- for depth in range(2, (var('key_rotations') | int) + 1) %}
    left join equivalents as version_{{ depth }}
        on {{ 'latest' if depth == 2 else 'version_' ~ (depth - 1) }}.previous_token = version_{{ depth }}.token
        and version_{{ depth }}.previous_token is not null
    {%- endfor %}
    where latest.previous_token is not null

),

paired as (

    select followed.token, followed.first_token from followed
    {%- for form in ['masked_token', 'md5_token', 'sha256_token', 'sm3_token'] %}
    union all
    select latest.{{ form }} as token, earliest.{{ form }} as first_token
    from followed
    inner join equivalents as latest on followed.kind = latest.kind and followed.token = latest.token
    inner join equivalents as earliest on followed.kind = earliest.kind and followed.first_token = earliest.token
    {%- endfor %}

)

select token, min(first_token) as first_token
from paired
where token is not null and first_token is not null and token <> first_token
group by token
