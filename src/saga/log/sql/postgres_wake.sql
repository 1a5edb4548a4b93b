SELECT amends_wake_v1(%(now)b::bigint, %(limit)b::bigint, %(for_ever)b::bigint)
