-- Runs that have, or wait for, something that only so many runs may have at once: a lock, or a limit of a saga.
CREATE TABLE amends_slots (
    place INTEGER PRIMARY KEY AUTOINCREMENT, -- rises in the order in which they were asked for
    name TEXT NOT NULL,
    run_id TEXT NOT NULL,
    size INTEGER NOT NULL, -- how many may be held at once, as this run has it
    held INTEGER NOT NULL,
    UNIQUE (run_id, name)
);

-- Serves sqlite_slots_free.sql.
CREATE INDEX amends_slots_idx ON amends_slots (name, held, place);
INSERT INTO amends_schema (version) VALUES (4);
