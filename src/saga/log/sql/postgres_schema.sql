-- Run as one script, so as one transaction. Two sessions that create the same thing at once fail even with IF NOT
-- EXISTS ("tuple concurrently updated"), so whoever comes second waits here and then finds everything made.
SELECT pg_advisory_xact_lock(107126708036724);

-- The table of the eventsourcing library (PostgresApplicationRecorder with text originator ids), as it makes it.
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

-- Writes a batch of appends, one element of each array an event. Versions of one run follow each other, and the first
-- one says what version the run is expected to have. Returns the runs that have another one; they are left out.
CREATE OR REPLACE FUNCTION amends_append_v1(run_ids text[], versions bigint[], topics text[], states bytea[])
RETURNS text[]
LANGUAGE plpgsql
AS $body$
DECLARE
    conflicted text[];
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
    RETURN conflicted;
END;
$body$;
