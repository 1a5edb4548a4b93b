-- What is kept about projections, beside their own tables. Everything in it can be made again from the log.

-- The library's table for positions, as its SQLiteTrackingRecorder makes it; it may have come first. A projection's
-- position stands under its name, that of a copy that is being built under NAME@GENERATION.
CREATE TABLE IF NOT EXISTS notification_tracking (
    application_name TEXT,
    notification_id INTEGER,
    PRIMARY KEY (application_name)
) WITHOUT ROWID;
INSERT INTO notification_tracking VALUES ('__migration__', 1) ON CONFLICT DO NOTHING;

-- The copies of a projection's tables.
CREATE TABLE IF NOT EXISTS amends_projection_copies (
    name TEXT NOT NULL,
    generation INTEGER NOT NULL,
    version INTEGER NOT NULL, -- of the projection that made it
    state TEXT NOT NULL, -- live, building, dropped (is about to be)
    tables TEXT NOT NULL, -- their names, with blanks between
    last_run_id TEXT, -- the event at the position: a log that was restored may have another one there
    last_version INTEGER,
    moved_at TEXT NOT NULL, -- when the position last moved
    PRIMARY KEY (name, generation)
);

-- The events that a projection could not apply.
CREATE TABLE IF NOT EXISTS amends_quarantine (
    name TEXT NOT NULL,
    generation INTEGER NOT NULL,
    position INTEGER NOT NULL,
    run_id TEXT NOT NULL,
    version INTEGER NOT NULL,
    topic TEXT NOT NULL,
    error_type TEXT NOT NULL,
    error TEXT NOT NULL,
    try_count INTEGER NOT NULL,
    failed_at TEXT NOT NULL,
    PRIMARY KEY (name, generation, position)
);

-- The notices in quarantine that are to be delivered to their hook again.
CREATE TABLE IF NOT EXISTS amends_redeliveries (
    name TEXT NOT NULL,
    position INTEGER NOT NULL,
    asked_at TEXT NOT NULL,
    PRIMARY KEY (name, position)
) WITHOUT ROWID;
