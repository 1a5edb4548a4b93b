-- Evidence of what the log held. Unlike the other tables here it cannot be made again: the log may have been changed.
CREATE TABLE IF NOT EXISTS amends_seals (
    position INTEGER PRIMARY KEY, -- of the last event that it covers
    chain BLOB NOT NULL,
    marks BLOB NOT NULL, -- position and digest of each event, 40 bytes each
    sealed_at TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS amends_run_links (
    run_id TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    chain BLOB NOT NULL
) WITHOUT ROWID;
