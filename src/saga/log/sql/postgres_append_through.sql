-- From here to the commit the log's lock is held, so a process that stops in between gives it up soon.
SELECT
    set_config('idle_in_transaction_session_timeout', '2s', true),
    set_config('lock_timeout', '2s', true),
    amends_append_v3(%b::text[], %b::bigint[], %b::text[], %b::bytea[],
        %b::text[], %b::text[], %b::bigint[], %b::text[], %b::boolean[], %b::boolean[],
        %b::bigint[], %b::text[], %b::text[],
        %b::bigint[], %b::text[], %b::text[], %b::text[], %b::bigint[])
