-- How workers share the limits of actions: a row for each limit and worker. It says what is counted for that worker, and
-- counts as long as the worker's lease holds.
CREATE TABLE amends_shares (
    name text, -- of the action
    worker text,
    size bigint, -- how many at once, as this worker knows it; NULL: no bound
    rate_count bigint, -- how many may begin in rate_us, likewise
    rate_us bigint,
    wanted bigint NOT NULL, -- permits that it has use for
    waiting bigint NOT NULL, -- attempts that wait there
    taken bigint NOT NULL, -- permits that are counted for it
    since_us bigint NOT NULL, -- microseconds since 1970, as the next two: since when it has some, or waits with none
    drew_us bigint NOT NULL, -- when it last got tokens of the rate
    asked_us bigint NOT NULL,
    PRIMARY KEY (name, worker)
);

-- The tokens of rates that were drawn, by when they count no more: microseconds since 1970.
CREATE TABLE amends_tokens (
    name text, -- of the action
    until_us bigint,
    token_count bigint NOT NULL,
    PRIMARY KEY (name, until_us)
);

-- How often the shares or tokens of a limit have changed: whoever has read them writes only if nobody else has meanwhile.
CREATE TABLE amends_limits (
    name text PRIMARY KEY, -- of the action
    version bigint NOT NULL
);

-- Writes one worker's row of a limit, and tokens that it draws, if there are any; returns whether that was done: not if
-- the limit is at another version. No lock is held while a worker thinks, so one that is stopped then stops nobody.
CREATE FUNCTION amends_share_v1(
    limit_name text, expected bigint, of_worker text, size bigint, rate_count bigint, rate_us bigint, wanted bigint,
    waiting bigint, taken bigint, since_us bigint, drew_us bigint, asked_us bigint, tokens_until bigint, drawn bigint
)
RETURNS boolean
LANGUAGE plpgsql
AS $body$
BEGIN
    IF expected = 0 THEN
        INSERT INTO amends_limits (name, version) VALUES (limit_name, 1) ON CONFLICT DO NOTHING;
    ELSE
        UPDATE amends_limits SET version = amends_limits.version + 1
        WHERE amends_limits.name = limit_name AND amends_limits.version = expected;
    END IF;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    DELETE FROM amends_shares AS share
    WHERE share.name = limit_name AND NOT EXISTS (
        SELECT
        FROM amends_workers AS living
        WHERE
            living.worker = share.worker
            AND living.heartbeat_at + make_interval(secs => living.lease_seconds) > clock_timestamp()
    );
    INSERT INTO amends_shares VALUES (
        limit_name, of_worker, size, rate_count, rate_us, wanted, waiting, taken, since_us, drew_us, asked_us
    )
    ON CONFLICT ON CONSTRAINT amends_shares_pkey DO UPDATE
    SET
        size = excluded.size,
        rate_count = excluded.rate_count,
        rate_us = excluded.rate_us,
        wanted = excluded.wanted,
        waiting = excluded.waiting,
        taken = excluded.taken,
        since_us = excluded.since_us,
        drew_us = excluded.drew_us,
        asked_us = excluded.asked_us;
    IF drawn > 0 THEN
        DELETE FROM amends_tokens AS token WHERE token.name = limit_name AND token.until_us <= asked_us;
        INSERT INTO amends_tokens AS token VALUES (limit_name, tokens_until, drawn)
        ON CONFLICT ON CONSTRAINT amends_tokens_pkey DO UPDATE
        SET token_count = token.token_count + excluded.token_count;
    END IF;
    RETURN true;
END;
$body$;
INSERT INTO amends_schema (version) VALUES (4);
