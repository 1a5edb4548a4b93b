SELECT * FROM amends_take_starts_v1(%(limit)b::bigint)
