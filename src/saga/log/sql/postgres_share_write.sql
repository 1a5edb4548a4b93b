SELECT amends_share_v1(
    %(limit)b::text, %(version)b::bigint, %(worker)b::text, %(size)b::bigint, %(rate_count)b::bigint,
    %(rate_us)b::bigint, %(wanted)b::bigint, %(waiting)b::bigint, %(taken)b::bigint, %(since_us)b::bigint,
    %(drew_us)b::bigint, %(asked_us)b::bigint, %(until_us)b::bigint, %(token_count)b::bigint
)
