-- Fails on a table WITHOUT ROWID, which has no order of all events.
SELECT rowid FROM stored_events LIMIT 0
