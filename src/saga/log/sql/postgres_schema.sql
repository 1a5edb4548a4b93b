-- What the migrations add up to, for people to read; a test compares. Nothing runs it.

-- The table of the eventsourcing library (PostgresApplicationRecorder with text originator ids), as it makes it. It may
-- have come first.
CREATE TABLE IF NOT EXISTS stored_events (
    originator_id text NOT NULL,
    originator_version bigint NOT NULL,
    topic text,
    state bytea,
    notification_id bigserial,
    PRIMARY KEY (originator_id, originator_version)
) WITH (
    autovacuum_enabled = true,
    autovacuum_vacuum_threshold = 100000000,
    autovacuum_vacuum_scale_factor = 0.5,
    autovacuum_analyze_threshold = 1000,
    autovacuum_analyze_scale_factor = 0.01
);

CREATE UNIQUE INDEX IF NOT EXISTS stored_events_notification_id_idx ON stored_events (notification_id ASC);

-- The runs that are neither ended nor parked: written by the append that changes how a run stands, and by releases.
-- Rows come and go with the runs, so it is vacuumed early.
CREATE TABLE amends_runs (
    run_id text PRIMARY KEY,
    place bigint NOT NULL GENERATED ALWAYS AS IDENTITY, -- rises in the order in which runs became unfinished
    saga text NOT NULL,
    version bigint NOT NULL,
    owner text, -- a worker's token; NULL: whoever claims it first; '~': nobody yet, it waits
    unwinding boolean NOT NULL,
    due_at bigint, -- of a run that waits: microseconds since 1970, UTC
    rung_count bigint NOT NULL DEFAULT 0 -- how often somebody has rung for the run
) WITH (
    autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_scale_factor = 0.01,
    autovacuum_analyze_threshold = 1000,
    autovacuum_analyze_scale_factor = 0.01
);

-- Serves amends_claimable_v3, which hops from kind to kind in it and reads each kind in the order of its age.
CREATE INDEX amends_runs_claimable_idx ON amends_runs (coalesce(owner, ''), saga, version, unwinding, place);

-- Serves amends_wake_v1: only what waits is in it.
CREATE INDEX amends_runs_due_idx ON amends_runs (due_at) WHERE due_at IS NOT NULL;

-- Serves postgres_rung.sql: only what was ever rung for is in it.
CREATE INDEX amends_runs_rung_idx ON amends_runs (owner) WHERE rung_count > 0;

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

-- Starts that were committed together with somebody's own rows, until a worker moves them into the log. Whoever starts
-- a run in a transaction of their own must not hold the log's lock until they commit, so they write here.
CREATE TABLE amends_starts (
    place bigint GENERATED ALWAYS AS IDENTITY, -- rises in the order in which they were written
    run_id text PRIMARY KEY,
    saga text NOT NULL,
    version bigint NOT NULL,
    topic text NOT NULL, -- of the RunStarted event
    state bytea NOT NULL, -- its bytes, as they will be stored
    set_aside boolean NOT NULL DEFAULT false -- the id was taken by another run
);

-- Serves amends_take_starts_v1: only what is to be moved is in it.
CREATE INDEX amends_starts_idx ON amends_starts (place) WHERE NOT set_aside;

-- The leases. A worker without a row has none. heartbeat_at has no index, so that a beat touches the row alone.
CREATE TABLE amends_workers (
    worker text PRIMARY KEY,
    heartbeat_at timestamptz NOT NULL,
    lease_seconds double precision NOT NULL
);

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

-- One row for each migration that was applied here.
CREATE TABLE amends_schema (
    version bigint PRIMARY KEY,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

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

-- Returns unfinished runs that nobody has, or whose owner's lease has lapsed, oldest first: those of the known sagas
-- and versions (of a run that unwinds, the name is enough), or else all others.
--
-- Its cost must not grow with the runs that live workers have, nor with those that nobody here knows. So it never
-- looks at runs one by one: it hops through the index from owner to owner, and from kind to kind of the free ones, and
-- then reads the oldest of each wanted kind. The oldest so many runs are among the so many kinds whose oldest runs are
-- the oldest. Those that wait are under an owner whom no worker is, and are left out. The planner, who cannot know how
-- few kinds there are, is told the way.
CREATE FUNCTION amends_claimable_v3(known_sagas text[], known_versions bigint[], known boolean, run_limit bigint)
RETURNS TABLE (run_id text, saga text, version bigint, unwinding boolean, lapsed boolean)
LANGUAGE sql
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $body$
WITH RECURSIVE
owners AS (
    (SELECT coalesce(run.owner, '') AS owner FROM amends_runs AS run ORDER BY coalesce(run.owner, '') LIMIT 1)
    UNION ALL
    SELECT (
        SELECT coalesce(run.owner, '')
        FROM amends_runs AS run
        WHERE coalesce(run.owner, '') > owners.owner
        ORDER BY coalesce(run.owner, '')
        LIMIT 1
    )
    FROM owners
    WHERE owners.owner IS NOT NULL
),
free AS (
    SELECT owners.owner
    FROM owners
    LEFT JOIN amends_workers AS worker ON worker.worker = owners.owner
    WHERE owners.owner IS NOT NULL AND owners.owner <> '~' AND (
        worker.worker IS NULL
        OR worker.heartbeat_at + make_interval(secs => worker.lease_seconds) <= clock_timestamp()
    )
),
kinds AS (
    SELECT free.owner, kind.saga, kind.version, kind.unwinding, kind.place
    FROM free
    CROSS JOIN LATERAL (
        SELECT run.saga, run.version, run.unwinding, run.place
        FROM amends_runs AS run
        WHERE coalesce(run.owner, '') = free.owner
        ORDER BY run.saga, run.version, run.unwinding, run.place
        LIMIT 1
    ) AS kind
    UNION ALL
    SELECT kinds.owner, kind.saga, kind.version, kind.unwinding, kind.place
    FROM kinds
    CROSS JOIN LATERAL (
        SELECT run.saga, run.version, run.unwinding, run.place
        FROM amends_runs AS run
        WHERE
            coalesce(run.owner, '') = kinds.owner
            AND (run.saga, run.version, run.unwinding) > (kinds.saga, kinds.version, kinds.unwinding)
        ORDER BY run.saga, run.version, run.unwinding, run.place
        LIMIT 1
    ) AS kind
),
wanted AS (
    SELECT kinds.owner, kinds.saga, kinds.version, kinds.unwinding
    FROM kinds
    WHERE known = EXISTS (
        SELECT
        FROM unnest(known_sagas, known_versions) AS mine (saga, version)
        WHERE mine.saga = kinds.saga AND (mine.version = kinds.version OR kinds.unwinding)
    )
    ORDER BY kinds.place
    LIMIT run_limit
)
SELECT run.run_id, wanted.saga, wanted.version, wanted.unwinding, wanted.owner <> ''
FROM wanted
CROSS JOIN LATERAL (
    SELECT run.run_id, run.place
    FROM amends_runs AS run
    WHERE
        coalesce(run.owner, '') = wanted.owner
        AND run.saga = wanted.saga
        AND run.version = wanted.version
        AND run.unwinding = wanted.unwinding
    ORDER BY run.place
    LIMIT run_limit
) AS run
ORDER BY run.place
LIMIT run_limit
$body$;

-- Frees so many of the waiting runs that are due, the longest due first; returns when the next one is due, or NULL. Under
-- the lock of the appends, like every change to the table, but only if there is anything to free.
CREATE FUNCTION amends_wake_v1(present bigint, run_limit bigint, for_ever bigint)
RETURNS bigint
LANGUAGE plpgsql
SET enable_seqscan = off
AS $body$
BEGIN
    IF EXISTS (SELECT FROM amends_runs WHERE due_at <= present) THEN
        PERFORM pg_advisory_xact_lock(107126708036723);
        UPDATE amends_runs SET owner = NULL, due_at = NULL
        WHERE run_id IN (
            SELECT run.run_id FROM amends_runs AS run WHERE run.due_at <= present ORDER BY run.due_at LIMIT run_limit
        );
    END IF;
    RETURN (SELECT min(run.due_at) FROM amends_runs AS run WHERE run.due_at < for_ever);
END;
$body$;

-- What workers of the version before call, until they are replaced. They know no slots, but may be the ones that end a run
-- that has a limit of its saga.
CREATE FUNCTION amends_append_v2(
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
CREATE FUNCTION amends_claimable_v2(known_sagas text[], known_versions bigint[], known boolean, run_limit bigint)
RETURNS TABLE (run_id text, saga text, version bigint, unwinding boolean, lapsed boolean)
LANGUAGE sql
AS $body$
SELECT run.*
FROM amends_claimable_v3(known_sagas, known_versions, known, run_limit) AS run
WHERE NOT EXISTS (SELECT FROM amends_slots AS slot WHERE slot.run_id = run.run_id AND NOT slot.held)
$body$;

-- And those of the version before that.
CREATE FUNCTION amends_append_v1(
    run_ids text[], versions bigint[], topics text[], states bytea[],
    standing_ids text[], sagas text[], saga_versions bigint[], owners text[], unwindings boolean[], at_rests boolean[]
)
RETURNS text[]
LANGUAGE sql
AS $body$
SELECT amends_append_v2(
    run_ids, versions, topics, states, standing_ids, sagas, saga_versions, owners, unwindings, at_rests,
    array_fill(0::bigint, ARRAY[cardinality(standing_ids)]), '{}', '{}'
)
$body$;

-- The same.
CREATE FUNCTION amends_claimable_v1(
    known_sagas text[], known_versions bigint[], known boolean, run_limit bigint
)
RETURNS TABLE (run_id text, saga text, version bigint, unwinding boolean, lapsed boolean)
LANGUAGE sql
AS $body$
SELECT * FROM amends_claimable_v2(known_sagas, known_versions, known, run_limit)
$body$;

-- Gives up a worker's lease and at most so many of its runs; returns how many. Under the lock of the appends, so that
-- the two never wait for each other's rows crosswise, and bounded, so that it does not keep them waiting for long.
CREATE FUNCTION amends_release_v1(released text, run_limit bigint)
RETURNS bigint
LANGUAGE plpgsql
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $body$
DECLARE
    released_count bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(107126708036723);
    DELETE FROM amends_workers WHERE worker = released;
    UPDATE amends_runs SET owner = NULL
    WHERE run_id IN (SELECT run.run_id FROM amends_runs AS run WHERE coalesce(run.owner, '') = released LIMIT run_limit);
    GET DIAGNOSTICS released_count = ROW_COUNT;
    IF released_count > 0 THEN
        PERFORM pg_notify('amends_work', '');
    END IF;
    RETURN released_count;
END;
$body$;

-- Moves so many of the starts into the log, the oldest first, each as the first event of its run, for whoever claims it.
-- Returns them, and of each whether its id was taken: such a one is still there, for the caller to settle. Under the
-- lock of the appends, but only if there is anything to move; however many do this, each start is moved once.
CREATE FUNCTION amends_take_starts_v1(run_limit bigint)
RETURNS TABLE (started text, event_topic text, event_state bytea, refused boolean)
LANGUAGE plpgsql
AS $body$
DECLARE
    ids text[];
    sagas text[];
    saga_versions bigint[];
    topics text[];
    states bytea[];
    conflicted text[];
BEGIN
    IF NOT EXISTS (SELECT FROM amends_starts WHERE NOT set_aside) THEN
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock(107126708036723);
    SELECT array_agg(start.run_id), array_agg(start.saga), array_agg(start.version), array_agg(start.topic),
        array_agg(start.state)
    INTO ids, sagas, saga_versions, topics, states
    FROM (SELECT * FROM amends_starts WHERE NOT set_aside ORDER BY place LIMIT run_limit) AS start;
    IF ids IS NULL THEN
        RETURN;
    END IF;
    conflicted := amends_append_v2(
        ids, array_fill(1::bigint, ARRAY[cardinality(ids)]), topics, states,
        ids, sagas, saga_versions, array_fill(''::text, ARRAY[cardinality(ids)]),
        array_fill(false, ARRAY[cardinality(ids)]), array_fill(false, ARRAY[cardinality(ids)]),
        array_fill(0::bigint, ARRAY[cardinality(ids)]), '{}', '{}'
    );
    DELETE FROM amends_starts WHERE run_id = ANY (ids) AND run_id <> ALL (conflicted);
    RETURN QUERY
    SELECT moved.run_id, moved.topic, moved.state, moved.run_id = ANY (conflicted)
    FROM unnest(ids, topics, states) AS moved (run_id, topic, state);
END;
$body$;

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
