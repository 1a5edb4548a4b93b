-- A run that waits, for a time or for a signal, has the owner '~', whom no worker is, and is not looked at until it is
-- due or rung for.
ALTER TABLE amends_runs ADD COLUMN due_at INTEGER; -- microseconds since 1970, UTC
ALTER TABLE amends_runs ADD COLUMN rung_count INTEGER NOT NULL DEFAULT 0; -- how often somebody has rung for the run

-- Serves sqlite_wake.sql and sqlite_next_due.sql: only what waits is in it.
CREATE INDEX amends_runs_due_idx ON amends_runs (due_at) WHERE due_at IS NOT NULL;

-- Serves sqlite_rung.sql: only what was ever rung for is in it.
CREATE INDEX amends_runs_rung_idx ON amends_runs (owner) WHERE rung_count > 0;
INSERT INTO amends_schema (version) VALUES (2);
