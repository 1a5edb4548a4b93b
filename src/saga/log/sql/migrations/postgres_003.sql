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
INSERT INTO amends_schema (version) VALUES (3);
