-- Evidence of what the log held. Unlike the other tables here it cannot be made again: the log may have been changed.

-- Many may come at once to a database without the tables.
SELECT pg_advisory_xact_lock(hashtextextended('amends seals', 0));

CREATE TABLE IF NOT EXISTS amends_seals (
    position bigint PRIMARY KEY, -- of the last event that it covers
    chain bytea NOT NULL,
    marks bytea NOT NULL, -- position and digest of each event, 40 bytes each
    sealed_at timestamptz NOT NULL
);
-- Digests cannot be compressed, and are read whole.
ALTER TABLE amends_seals ALTER COLUMN marks SET STORAGE EXTERNAL;
CREATE TABLE IF NOT EXISTS amends_run_links (
    run_id text PRIMARY KEY,
    version bigint NOT NULL,
    chain bytea NOT NULL
) WITH (fillfactor = 70);
