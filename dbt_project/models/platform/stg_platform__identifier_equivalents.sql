{{ config(materialized='view') }}

with

source as (

    select * from {{ source('platform', 'identifier_equivalents') }}

)

select
    kind,
    key_version,
    token,
    previous_token,
    masked_token,
    md5_token,
    sha256_token,
    sm3_token
from source
