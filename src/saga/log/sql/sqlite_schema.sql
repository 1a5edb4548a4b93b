-- The table of the eventsourcing library (SQLiteApplicationRecorder), column for column: a rowid table, whose rowid is
-- the position of an event in the order of all. There is one writer at a time, so positions rise with the commits.
CREATE TABLE IF NOT EXISTS stored_events (
    originator_id TEXT,
    originator_version INTEGER,
    topic TEXT,
    state BLOB,
    PRIMARY KEY (originator_id, originator_version)
)
