-- What is kept about projections, beside their own tables. Everything in it can be made again from the log.

-- Many may come at once to a database without the tables.
SELECT pg_advisory_xact_lock(hashtextextended('amends projections', 0));

-- The library's table for positions, as its PostgresTrackingRecorder makes it; it may have come first. A projection's
-- position stands under its name, that of a copy that is being built under NAME@GENERATION.
CREATE TABLE IF NOT EXISTS notification_tracking (
    application_name text,
    notification_id bigint,
    PRIMARY KEY (application_name)
) WITH (
    autovacuum_enabled = true,
    autovacuum_vacuum_threshold = 100000000,
    autovacuum_vacuum_scale_factor = 0.5,
    autovacuum_analyze_threshold = 1000,
    autovacuum_analyze_scale_factor = 0.01
);
INSERT INTO notification_tracking VALUES ('__migration__', 1) ON CONFLICT DO NOTHING;

-- The copies of a projection's tables.
CREATE TABLE IF NOT EXISTS amends_projection_copies (
    name text NOT NULL,
    generation bigint NOT NULL,
    version bigint NOT NULL, -- of the projection that made it
    state text NOT NULL, -- live, building, dropped (is about to be)
    tables text NOT NULL, -- their names, with blanks between
    last_run_id text, -- the event at the position: a log that was restored may have another one there
    last_version bigint,
    moved_at timestamptz NOT NULL, -- when the position last moved
    PRIMARY KEY (name, generation)
) WITH (fillfactor = 50);

-- The events that a projection could not apply.
CREATE TABLE IF NOT EXISTS amends_quarantine (
    name text NOT NULL,
    generation bigint NOT NULL,
    position bigint NOT NULL,
    run_id text NOT NULL,
    version bigint NOT NULL,
    topic text NOT NULL,
    error_type text NOT NULL,
    error text NOT NULL,
    try_count bigint NOT NULL,
    failed_at timestamptz NOT NULL,
    PRIMARY KEY (name, generation, position)
);

-- The notices in quarantine that are to be delivered to their hook again.
CREATE TABLE IF NOT EXISTS amends_redeliveries (
    name text NOT NULL,
    position bigint NOT NULL,
    asked_at timestamptz NOT NULL,
    PRIMARY KEY (name, position)
);
