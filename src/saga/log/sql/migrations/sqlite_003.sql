-- Starts that were committed together with somebody's own rows, until a worker moves them into the log.
CREATE TABLE amends_starts (
    place INTEGER PRIMARY KEY, -- rises in the order in which they were written
    run_id TEXT NOT NULL UNIQUE,
    saga TEXT NOT NULL,
    version INTEGER NOT NULL,
    topic TEXT NOT NULL, -- of the RunStarted event
    state BLOB NOT NULL, -- its bytes, as they will be stored
    set_aside INTEGER NOT NULL DEFAULT 0 -- the id was taken by another run
);

-- Serves sqlite_starts.sql: only what is to be moved is in it.
CREATE INDEX amends_starts_idx ON amends_starts (place) WHERE set_aside = 0;
INSERT INTO amends_schema (version) VALUES (3);
