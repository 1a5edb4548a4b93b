-- Runs that have, or wait for, something that only so many runs may have at once: a lock, or a limit of a saga. Rows come
-- and go with the runs, so it is vacuumed early.
CREATE TABLE amends_slots (
    place bigint NOT NULL GENERATED ALWAYS AS IDENTITY, -- rises in the order in which they were asked for
    name text NOT NULL,
    run_id text NOT NULL,
    size bigint NOT NULL, -- how many may be held at once, as this run has it
    held boolean NOT NULL,
    PRIMARY KEY (run_id, name)
) WITH (
    autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_scale_factor = 0.01,
    autovacuum_analyze_threshold = 1000,
    autovacuum_analyze_scale_factor = 0.01
);

-- Serves amends_slots_v1.
CREATE INDEX amends_slots_idx ON amends_slots (name, held, place);

-- Takes what the runs in `placed` have of slots and wait for from here on; the other arrays have one element a slot.
-- What is free then goes to those who have waited longest: each has room by its own size, and nobody overtakes the first
-- who has none. Returns the other runs that have got one by that. Called under the lock of the appends.
CREATE FUNCTION amends_slots_v1(placed text[], slot_runs text[], slot_names text[], slot_sizes bigint[])
RETURNS text[]
LANGUAGE plpgsql
SET enable_seqscan = off
AS $body$
DECLARE
    gone text[];
    added text[];
    granted text[];
BEGIN
    WITH removed AS (
        DELETE FROM amends_slots AS slot
        WHERE slot.run_id = ANY (placed) AND NOT EXISTS (
            SELECT
            FROM unnest(slot_runs, slot_names) AS wanted (run_id, name)
            WHERE wanted.run_id = slot.run_id AND wanted.name = slot.name
        )
        RETURNING slot.name
    )
    SELECT coalesce(array_agg(DISTINCT removed.name), '{}') INTO gone FROM removed;

    WITH inserted AS (
        INSERT INTO amends_slots AS slot (name, run_id, size, held)
        SELECT wanted.name, wanted.run_id, wanted.size, wanted.size = 0
        FROM unnest(slot_runs, slot_names, slot_sizes) WITH ORDINALITY AS wanted (run_id, name, size, place)
        WHERE wanted.run_id = ANY (placed)
        ORDER BY wanted.place
        ON CONFLICT (run_id, name) DO NOTHING
        RETURNING slot.name
    )
    SELECT coalesce(array_agg(DISTINCT inserted.name), '{}') INTO added FROM inserted;

    WITH RECURSIVE queue AS (
        SELECT
            touched.name,
            (SELECT count(*) FROM amends_slots AS slot WHERE slot.name = touched.name AND slot.held) AS held_count
        FROM (SELECT DISTINCT one.name FROM unnest(gone || added) AS one (name)) AS touched
    ),
    fitting AS (
        SELECT queue.name, first.run_id, first.place, queue.held_count + 1 AS held_count
        FROM queue
        CROSS JOIN LATERAL (
            SELECT slot.run_id, slot.place, slot.size
            FROM amends_slots AS slot
            WHERE slot.name = queue.name AND NOT slot.held
            ORDER BY slot.place
            LIMIT 1
        ) AS first
        WHERE queue.held_count < first.size
        UNION ALL
        SELECT fitting.name, next.run_id, next.place, fitting.held_count + 1
        FROM fitting
        CROSS JOIN LATERAL (
            SELECT slot.run_id, slot.place, slot.size
            FROM amends_slots AS slot
            WHERE slot.name = fitting.name AND NOT slot.held AND slot.place > fitting.place
            ORDER BY slot.place
            LIMIT 1
        ) AS next
        WHERE fitting.held_count < next.size
    ),
    updated AS (
        UPDATE amends_slots AS slot SET held = true
        FROM fitting
        WHERE slot.run_id = fitting.run_id AND slot.name = fitting.name
        RETURNING slot.run_id
    )
    SELECT coalesce(array_agg(DISTINCT updated.run_id), '{}') INTO granted
    FROM updated
    WHERE updated.run_id <> ALL (placed);
    RETURN granted;
END;
$body$;

-- Writes a batch of appends. The first four arrays have one element an event: versions of one run follow each other,
-- and the first one says what version the run is expected to have. The others have one element for each run that
-- stands differently from here on; nobody (NULL) is written as an empty owner. Returns the runs that have another
-- version; they are left out, with their standing.
--
-- An owner '=' is whoever it is: somebody else writes to the run. An owner '~' is no worker: the run waits until `dues`
-- says (microseconds since 1970; 0 where it does not wait). `ringers` ring for `rung`: what these have is to be looked
-- at, and if one of them waits, it is free. For `placed` and the arrays of slots see amends_slots_v1: a run that waits
-- for one of its slots then waits until `queues` says, where that is not 0.
CREATE FUNCTION amends_append_v3(
    run_ids text[], versions bigint[], topics text[], states bytea[],
    standing_ids text[], sagas text[], saga_versions bigint[], owners text[], unwindings boolean[], at_rests boolean[],
    dues bigint[], ringers text[], rung text[],
    queues bigint[], placed text[], slot_runs text[], slot_names text[], slot_sizes bigint[]
)
RETURNS text[]
LANGUAGE plpgsql
AS $body$
DECLARE
    conflicted text[];
    granted text[] := '{}';
    queued text[] := '{}';
BEGIN
    -- Positions are drawn and committed under one lock, so nobody ever sees a position before a lower one. Writers of
    -- this function meet in the advisory lock. Writers of the eventsourcing library take LOCK TABLE ... EXCLUSIVE,
    -- which waits for our ROW EXCLUSIVE and makes it wait; two of ours would not stop each other by that alone, and
    -- taking EXCLUSIVE ourselves would also hold up autovacuum's ANALYZE, which the planner needs here.
    PERFORM pg_advisory_xact_lock(107126708036723);
    LOCK TABLE stored_events IN ROW EXCLUSIVE MODE;

    SELECT coalesce(array_agg(expected.run_id), '{}') INTO conflicted
    FROM (
        SELECT event.run_id, min(event.version) - 1 AS version
        FROM unnest(run_ids, versions) AS event (run_id, version)
        GROUP BY event.run_id
    ) AS expected
    WHERE expected.version <> coalesce(
        (SELECT max(stored.originator_version) FROM stored_events AS stored WHERE stored.originator_id = expected.run_id),
        0
    );

    INSERT INTO stored_events (originator_id, originator_version, topic, state)
    SELECT event.run_id, event.version, event.topic, event.state
    FROM unnest(run_ids, versions, topics, states) WITH ORDINALITY AS event (run_id, version, topic, state, place)
    WHERE event.run_id <> ALL (conflicted)
    ORDER BY event.place;

    IF FOUND THEN
        -- The channel that the library's own subscriptions listen to.
        PERFORM pg_notify('stored_events', '');
    END IF;
    IF cardinality(standing_ids) = 0 AND cardinality(rung) = 0 THEN
        RETURN conflicted;
    END IF;

    IF cardinality(placed) > 0 THEN
        granted := amends_slots_v1(
            ARRAY(SELECT place.run_id FROM unnest(placed) AS place (run_id) WHERE place.run_id <> ALL (conflicted)),
            slot_runs, slot_names, slot_sizes
        );
        queued := ARRAY(
            SELECT standing.run_id
            FROM unnest(standing_ids, queues) AS standing (run_id, queue)
            WHERE standing.queue > 0
                AND EXISTS (SELECT FROM amends_slots AS slot WHERE slot.run_id = standing.run_id AND NOT slot.held)
        );
    END IF;

    DELETE FROM amends_runs
    WHERE run_id IN (
        SELECT standing.run_id
        FROM unnest(standing_ids, at_rests) AS standing (run_id, at_rest)
        WHERE standing.at_rest AND standing.run_id <> ALL (conflicted)
    );

    INSERT INTO amends_runs AS known (run_id, saga, version, owner, unwinding, due_at)
    SELECT
        standing.run_id,
        standing.saga,
        standing.version,
        CASE
            WHEN standing.run_id = ANY (queued) THEN '~'
            WHEN standing.owner = '='
                THEN (SELECT present.owner FROM amends_runs AS present WHERE present.run_id = standing.run_id)
            ELSE nullif(standing.owner, '')
        END,
        standing.unwinding,
        CASE
            WHEN standing.run_id = ANY (queued) THEN standing.queue
            WHEN standing.owner = '='
                THEN (SELECT present.due_at FROM amends_runs AS present WHERE present.run_id = standing.run_id)
            ELSE nullif(standing.due, 0)
        END
    FROM unnest(standing_ids, sagas, saga_versions, owners, unwindings, at_rests, dues, queues) WITH ORDINALITY
        AS standing (run_id, saga, version, owner, unwinding, at_rest, due, queue, place)
    WHERE NOT standing.at_rest AND standing.run_id <> ALL (conflicted)
    ORDER BY standing.place
    ON CONFLICT (run_id) DO UPDATE
    SET
        saga = excluded.saga,
        version = excluded.version,
        owner = excluded.owner,
        unwinding = excluded.unwinding,
        due_at = excluded.due_at;

    IF cardinality(granted) > 0 THEN
        UPDATE amends_runs AS known
        SET rung_count = known.rung_count + 1, owner = nullif(known.owner, '~'), due_at = NULL
        WHERE known.run_id = ANY (granted);
    END IF;

    IF cardinality(rung) > 0 THEN
        UPDATE amends_runs AS known
        SET rung_count = known.rung_count + 1, owner = nullif(known.owner, '~'), due_at = NULL
        FROM unnest(ringers, rung) AS ring (by_run_id, run_id)
        WHERE known.run_id = ring.run_id AND ring.by_run_id <> ALL (conflicted);
    END IF;

    IF cardinality(rung) > 0 OR cardinality(granted) > 0 OR EXISTS (
        SELECT FROM unnest(standing_ids, owners, at_rests) AS standing (run_id, owner, at_rest)
        WHERE standing.owner = '' AND NOT standing.at_rest AND standing.run_id <> ALL (conflicted || queued)
    ) THEN
        PERFORM pg_notify('amends_work', '');
    END IF;
    RETURN conflicted;
END;
$body$;

-- What workers of the version before call, until they are replaced. They know no slots, but may be the ones that end a run
-- that has a limit of its saga.
CREATE OR REPLACE FUNCTION amends_append_v2(
    run_ids text[], versions bigint[], topics text[], states bytea[],
    standing_ids text[], sagas text[], saga_versions bigint[], owners text[], unwindings boolean[], at_rests boolean[],
    dues bigint[], ringers text[], rung text[]
)
RETURNS text[]
LANGUAGE sql
AS $body$
SELECT amends_append_v3(
    run_ids, versions, topics, states, standing_ids, sagas, saga_versions, owners, unwindings, at_rests,
    dues, ringers, rung, array_fill(0::bigint, ARRAY[cardinality(standing_ids)]),
    ARRAY(SELECT standing.run_id FROM unnest(standing_ids, at_rests) AS standing (run_id, at_rest) WHERE standing.at_rest),
    '{}', '{}', '{}'
)
$body$;

-- And what they look for work with. A run that waits for a slot may be free: it was rung for, or is due. Whoever knows slots
-- lets go of it again; those who do not would do its work without the slot, so they are not offered it.
ALTER FUNCTION amends_claimable_v2(text[], bigint[], boolean, bigint) RENAME TO amends_claimable_v3;
CREATE FUNCTION amends_claimable_v2(known_sagas text[], known_versions bigint[], known boolean, run_limit bigint)
RETURNS TABLE (run_id text, saga text, version bigint, unwinding boolean, lapsed boolean)
LANGUAGE sql
AS $body$
SELECT run.*
FROM amends_claimable_v3(known_sagas, known_versions, known, run_limit) AS run
WHERE NOT EXISTS (SELECT FROM amends_slots AS slot WHERE slot.run_id = run.run_id AND NOT slot.held)
$body$;

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
