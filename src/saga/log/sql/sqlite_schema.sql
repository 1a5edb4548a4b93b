-- What the migrations add up to, for people to read; a test compares. Nothing runs it.

-- The table of the eventsourcing library (SQLiteApplicationRecorder), column for column: a rowid table, whose rowid is
-- the position of an event in the order of all. There is one writer at a time, so positions rise with the commits. It
-- may have come first.
CREATE TABLE IF NOT EXISTS stored_events (
    originator_id TEXT,
    originator_version INTEGER,
    topic TEXT,
    state BLOB,
    PRIMARY KEY (originator_id, originator_version)
);

-- The runs that are neither ended nor parked: written by the append that changes how a run stands, and by releases.
CREATE TABLE amends_runs (
    place INTEGER PRIMARY KEY, -- rises in the order in which runs became unfinished
    run_id TEXT NOT NULL UNIQUE,
    saga TEXT NOT NULL,
    version INTEGER NOT NULL,
    owner TEXT, -- a worker's token; NULL: whoever claims it first; '~': nobody yet, it waits
    unwinding INTEGER NOT NULL,
    due_at INTEGER, -- of a run that waits: microseconds since 1970, UTC
    rung_count INTEGER NOT NULL DEFAULT 0 -- how often somebody has rung for the run
);

-- Serves sqlite_claimable.sql, which hops from kind to kind in it. Each kind lies in the order of its places.
CREATE INDEX amends_runs_claimable_idx ON amends_runs (coalesce(owner, ''), saga, version, unwinding);

-- Serves sqlite_wake.sql and sqlite_next_due.sql: only what waits is in it.
CREATE INDEX amends_runs_due_idx ON amends_runs (due_at) WHERE due_at IS NOT NULL;

-- Serves sqlite_rung.sql: only what was ever rung for is in it.
CREATE INDEX amends_runs_rung_idx ON amends_runs (owner) WHERE rung_count > 0;

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

-- What workers of the version before leave, until they are replaced. They know no slots, but may be the ones that end or
-- park a run that has limits of its saga, and delete its row. What it had goes to those who have waited longest, if there is
-- room by their own size. A worker that knows slots has given the limits back before it deletes the row.
CREATE VIEW amends_heirs AS
SELECT gone.run_id AS from_run_id, heir.run_id, heir.place
FROM amends_slots AS gone
CROSS JOIN amends_slots AS heir ON heir.place = (
    SELECT first.place
    FROM amends_slots AS first
    WHERE first.name = gone.name AND first.held = 0
    ORDER BY first.place
    LIMIT 1
)
WHERE
    gone.held = 1
    AND gone.name LIKE 'saga %'
    AND heir.size >= (SELECT count(*) FROM amends_slots AS slot WHERE slot.name = gone.name AND slot.held = 1);

CREATE TRIGGER amends_runs_deleted AFTER DELETE ON amends_runs
WHEN EXISTS (SELECT 1 FROM amends_slots WHERE run_id = OLD.run_id AND name LIKE 'saga %')
BEGIN
    UPDATE amends_runs SET rung_count = rung_count + 1, owner = nullif(owner, '~'), due_at = NULL
    WHERE run_id IN (SELECT run_id FROM amends_heirs WHERE from_run_id = OLD.run_id);
    UPDATE amends_slots SET held = 1
    WHERE place IN (SELECT place FROM amends_heirs WHERE from_run_id = OLD.run_id);
    DELETE FROM amends_slots WHERE run_id = OLD.run_id AND name LIKE 'saga %';
    UPDATE amends_work SET ring_count = ring_count + 1;
END;

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

-- The leases. A worker without a row has none.
CREATE TABLE amends_workers (
    worker TEXT PRIMARY KEY,
    heartbeat_at TEXT NOT NULL, -- UTC, YYYY-MM-DD HH:MM:SS.SSS
    lease_seconds REAL NOT NULL
);

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

-- What NOTIFY is elsewhere: how often a run was left to whoever claims it first. One row.
CREATE TABLE amends_work (
    ring_count INTEGER NOT NULL
);
INSERT INTO amends_work (ring_count) VALUES (0);

-- One row for each migration that was applied here.
CREATE TABLE amends_schema (
    version INTEGER PRIMARY KEY,
    applied_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now'))
);
