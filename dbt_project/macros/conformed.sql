{#- Portable type of a canonical column. -#}
{% macro canonical_type(name) %}{{ return(type_instant() if name == 'instant' else name) }}{% endmacro %}

{#- The predicate that a moment belongs to what this build knows: true, or up to the instant, with its zone, that
    PLATFORM_KNOWN_AT names. Every history passes here, so every table of such a build is as it was known then (知悉时点);
    the README says how to ask. -#}
{% macro is_known(moment) -%}
{%- set known_at = env_var('PLATFORM_KNOWN_AT', '') -%}
{%- if known_at -%}
    {{ moment }} <= cast('{{ known_at }}' as {{ type_instant() }})
{%- else -%}
    true
{%- endif -%}
{%- endmacro %}

{#- Every version of a canonical entity (统一实体的全部版本), from all staging models that conform to it: one row per
    key and interval in which that version stood, `_known_at` to `_superseded_at` (NULL: still standing).

    At each moment, of the rows of a key that are known and whose delivery has not been replaced, the highest business
    version stands: `version` (the entity's own, e.g. plan_version), then business date and sequence, and only then
    receipt. So a re-sent old file changes what it corrects and nothing else; a version older than the standing one is
    superseded at birth, stands at no time and is not in the history; where the newest file of a key is withdrawn, the
    version before it stands again. A row that says what stood already is no new version, and keeps its first line.

    A key belongs to the party that gave it: equal keys of two sources are two things.

    `whole` names what one version replaces as a whole: of the plan of a loan only terms of its newest version stand.

    Rows of the first delivery of a date may be known before their receipt (stock); what replaces or corrects, never. -#}
{% macro conformed_history(entity, key, version=none, whole=none) %}
{%- set columns = var('canonical')[entity] -%}
{%- set models = var('conformed').get(entity, []) -%}
{%- set tokens = columns.keys() | select('in', var('tokens')) | list -%}
{%- set scope = (['_source'] + (whole or key)) | join(', ') -%}
{%- set full_key = (['_source'] + key) | join(', ') -%}
with

deliveries as (

    select * from {{ ref('int_deliveries_ordered') }}

),

unioned as (
{% for model in models %}
    select
        {%- for column, type in columns.items() %}
        cast({{ column }} as {{ canonical_type(type) }}) as {{ column }},
        {%- endfor %}
        _delivery_id, _line_number, _batch_date, _sequence, _known_at
    from {{ ref(model) }}
    where _batch_date <= {{ batch_date() }}
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

received as (

    select
        {%- for column in columns %}
        {% if column in tokens -%}
            coalesce({{ column }}_versions.first_token, unioned.{{ column }}) as {{ column }},
        {%- else -%}
            unioned.{{ column }},
        {%- endif %}
        {%- endfor %}
        unioned._delivery_id,
        unioned._line_number,
        unioned._batch_date,
        unioned._sequence,
        unioned._known_at as recorded_known_at,
        deliveries.source as _source,
        deliveries.known_at as received_at,
        deliveries.is_first,
        case when {{ is_known('deliveries.superseded_at') }} then deliveries.superseded_at end as replaced_at
    from unioned
    inner join deliveries on unioned._delivery_id = deliveries.delivery_id
    {%- for column in tokens %}
    left join {{ ref('int_tokens_resolved') }} as {{ column }}_versions
        on unioned.{{ column }} = {{ column }}_versions.token
    {%- endfor %}

),

timed as (

    select
        received.*,
        case
            when is_first and received_at = min(received_at) over (partition by {{ scope }})
                then least(recorded_known_at, received_at)
            else received_at
        end as known_at
    from received

),

known as (

    select
        timed.*,
        count(*) over (partition by {{ full_key }}) as versions_of_key
        {%- if version %},
        min({{ version }}) over (partition by {{ scope }}) as first_version,
        max({{ version }}) over (partition by {{ scope }}) as last_version
        {%- endif %}
    from timed
    where {{ is_known('known_at') }}

),

contested as (

    select *
    from known
    where versions_of_key > 1{% if version %} or first_version <> last_version{% endif %}

),

candidates as (

    select
        {% for column in columns -%}
        {{ column }},
        {% endfor -%}
        _source, _delivery_id, _line_number, _batch_date, _sequence, received_at, known_at, replaced_at,
        1 as is_row
    from contested
{% if whole %}
    union all

    -- What a version does not name, it takes away: an empty row of that version for every key of the whole.
    select
        {% for column, type in columns.items() -%}
        {% if column == version -%}
            replacements.{{ column }},
        {% elif column in key -%}
            named.{{ column }},
        {% else -%}
            cast(null as {{ canonical_type(type) }}) as {{ column }},
        {% endif -%}
        {% endfor -%}
        replacements._source, replacements._delivery_id, cast(null as bigint) as _line_number,
        replacements._batch_date, replacements._sequence, replacements.received_at, replacements.known_at,
        replacements.replaced_at,
        0 as is_row
    from (select distinct {{ full_key }} from contested) as named
    inner join (
        select distinct
            {{ scope }}, {{ version }}, _delivery_id, _batch_date, _sequence, received_at, known_at, replaced_at
        from contested
    ) as replacements
        on named._source = replacements._source
        {%- for column in whole %} and named.{{ column }} = replacements.{{ column }}{% endfor %}
{% endif %}
),

moments as (

    select {{ full_key }}, known_at as moment_at from candidates
    union
    select {{ full_key }}, replaced_at as moment_at from candidates
    where replaced_at is not null

),

ranked as (

    select
        candidates.*,
        moments.moment_at,
        row_number() over (
            partition by
                candidates._source,
                {% for column in key -%}
                candidates.{{ column }},
                {% endfor -%}
                moments.moment_at
            order by
                {% if version -%}
                candidates.{{ version }} desc nulls last,
                {% endif -%}
                candidates.is_row desc nulls last,
                candidates._batch_date desc nulls last,
                candidates._sequence desc nulls last,
                candidates.received_at desc nulls last,
                candidates._line_number desc nulls last,
                candidates._delivery_id desc nulls last
        ) as place
    from moments
    inner join candidates
        on moments._source = candidates._source
        {% for column in key -%}
        and moments.{{ column }} = candidates.{{ column }}
        {% endfor -%}
        and candidates.known_at <= moments.moment_at
        and (candidates.replaced_at is null or moments.moment_at < candidates.replaced_at)

),

standing as (

    select
        moments._source,
        moments.moment_at,
        {% for column in columns -%}
        {% if column in key %}moments{% else %}ranked{% endif %}.{{ column }},
        {% endfor -%}
        ranked._delivery_id,
        ranked._line_number,
        ranked._batch_date,
        coalesce(ranked.is_row, 0) as stands
    from moments
    left join ranked
        on moments._source = ranked._source
        {% for column in key -%}
        and moments.{{ column }} = ranked.{{ column }}
        {% endfor -%}
        and moments.moment_at = ranked.moment_at
        and ranked.place = 1

),

compared as (

    select
        standing.*,
        {% for column in columns if column not in key -%}
        lag({{ column }}) over (partition by {{ full_key }} order by moment_at nulls last) as previous_{{ column }},
        {% endfor -%}
        lag(stands) over (partition by {{ full_key }} order by moment_at nulls last) as stood
    from standing

),

changes as (

    select
        compared.*,
        lead(moment_at) over (partition by {{ full_key }} order by moment_at nulls last) as next_moment_at
    from compared
    where
        stands is distinct from stood
        {%- for column in columns if column not in key %}
        or (stands = 1 and {{ column }} is distinct from previous_{{ column }})
        {%- endfor %}

)

select
    {% for column in columns -%}
    {{ column }},
    {% endfor -%}
    _delivery_id,
    _line_number,
    _batch_date,
    known_at as _known_at,
    replaced_at as _superseded_at
from known
where
    versions_of_key = 1{% if version %} and first_version = last_version{% endif %}
    and (replaced_at is null or known_at < replaced_at)

union all

select
    {% for column in columns -%}
    {{ column }},
    {% endfor -%}
    _delivery_id,
    _line_number,
    _batch_date,
    moment_at as _known_at,
    next_moment_at as _superseded_at
from changes
where stands = 1
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
