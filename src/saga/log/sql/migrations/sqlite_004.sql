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
