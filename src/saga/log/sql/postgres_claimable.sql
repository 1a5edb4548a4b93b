SELECT run_id, saga, version, unwinding, lapsed
FROM amends_claimable_v3(%(sagas)b::text[], %(versions)b::bigint[], %(known)b::boolean, %(limit)b::bigint)
