-- Runs that have, or wait for, something that only so many runs may have at once: a lock, or a limit of a saga.
CREATE TABLE amends_slots (
    place INTEGER PRIMARY KEY AUTOINCREMENT, -- rises in the order in which they were asked for
    name TEXT NOT NULL,
    run_id TEXT NOT NULL,
    size INTEGER NOT NULL, -- how many may be held at once, as this run has it
    held INTEGER NOT NULL,
    UNIQUE (run_id, name)
);

-- Serves sqlite_slots_held.sql and sqlite_slots_waiting.sql; SQLite has no booleans, so they say held = 0 or held = 1.
CREATE INDEX amends_slots_idx ON amends_slots (name, held, place);

-- How workers share the limits of actions: a row for each limit and worker. It says what is counted for that worker, and
-- counts as long as the worker's lease holds.
CREATE TABLE amends_shares (
    name TEXT NOT NULL, -- of the action
    worker TEXT NOT NULL,
    size INTEGER, -- how many at once, as this worker knows it; NULL: no bound
    rate_count INTEGER, -- how many may begin in rate_us, likewise
    rate_us INTEGER,
    wanted INTEGER NOT NULL, -- permits that it has use for
    waiting INTEGER NOT NULL, -- attempts that wait there
    taken INTEGER NOT NULL, -- permits that are counted for it
    since_us INTEGER NOT NULL, -- microseconds since 1970, as the next two: since when it has some, or waits with none
    drew_us INTEGER NOT NULL, -- when it last got tokens of the rate
    asked_us INTEGER NOT NULL,
    PRIMARY KEY (name, worker)
);

-- The tokens of rates that were drawn, by when they count no more: microseconds since 1970.
CREATE TABLE amends_tokens (
    name TEXT NOT NULL, -- of the action
    until_us INTEGER NOT NULL,
    token_count INTEGER NOT NULL,
    PRIMARY KEY (name, until_us)
);
INSERT INTO amends_schema (version) VALUES (4);
