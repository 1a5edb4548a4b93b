SELECT amends_release_v1(%(worker)b::text, %(limit)b::bigint)
