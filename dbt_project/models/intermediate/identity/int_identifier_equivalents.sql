-- A value has a token for each version of the key under which it was delivered; all of them lead to its other forms.
{{ config(materialized='view') }}

with

recorded as (

    select * from {{ ref('stg_platform__identifier_equivalents') }}

)

select
    kind,
    token,
    masked_token,
    md5_token,
    sha256_token,
    sm3_token
from recorded
union distinct
select
    kind,
    previous_token as token,
    masked_token,
    md5_token,
    sha256_token,
    sm3_token
from recorded
where previous_token is not null
