-- What the connection that writes begins with: plans of the append are made once. With the usual setting the server plans
-- its statements anew in each call, by the length of the arrays, which takes longer than carrying them out. A plan
-- that is kept must not rest on how few rows there were when it was made, so it goes through the indexes.
SELECT
    set_config('plan_cache_mode', 'force_generic_plan', false),
    set_config('enable_seqscan', 'off', false),
    set_config('enable_hashjoin', 'off', false),
    set_config('enable_mergejoin', 'off', false)
