-- What is held of one limit, in one snapshot: its version, the present, whether the one who asks is alive, the rows of
-- living workers, and the tokens that count.
SELECT
    coalesce((SELECT known.version FROM amends_limits AS known WHERE known.name = %(limit)b::text), 0),
    (extract(EPOCH FROM clock_timestamp()) * 1000000)::bigint,
    EXISTS (
        SELECT
        FROM amends_workers AS asking
        WHERE
            asking.worker = %(worker)b::text
            AND asking.heartbeat_at + make_interval(secs => asking.lease_seconds) > clock_timestamp()
    ),
    (
        SELECT coalesce(json_agg(json_build_array(
            share.worker, share.size, share.rate_count, share.rate_us, share.wanted, share.waiting, share.taken,
            share.since_us, share.drew_us, share.asked_us
        ) ORDER BY share.worker), '[]')::text
        FROM amends_shares AS share
        JOIN amends_workers AS living ON living.worker = share.worker
        WHERE
            share.name = %(limit)b::text
            AND living.heartbeat_at + make_interval(secs => living.lease_seconds) > clock_timestamp()
    ),
    (
        SELECT coalesce(json_agg(json_build_array(token.until_us, token.token_count)), '[]')::text
        FROM amends_tokens AS token
        WHERE token.name = %(limit)b::text
    )
