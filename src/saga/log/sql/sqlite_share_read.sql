-- What is held of one limit: the present, whether the one who asks is alive, the rows of living workers, and the tokens.
WITH living AS (
    SELECT worker
    FROM amends_workers
    WHERE julianday(heartbeat_at) + lease_seconds / 86400.0 > julianday('now')
)
SELECT
    CAST((julianday('now') - 2440587.5) * 86400000000.0 AS INTEGER),
    EXISTS (SELECT 1 FROM living WHERE living.worker = :worker),
    (
        SELECT json_group_array(json_array(
            share.worker, share.size, share.rate_count, share.rate_us, share.wanted, share.waiting, share.taken,
            share.since_us, share.drew_us, share.asked_us
        ))
        FROM amends_shares AS share
        JOIN living ON living.worker = share.worker
        WHERE share.name = :limit
    ),
    (
        SELECT json_group_array(json_array(token.until_us, token.token_count))
        FROM amends_tokens AS token
        WHERE token.name = :limit
    )
