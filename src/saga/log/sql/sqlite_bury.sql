-- A worker that has been silent for long and did not say goodbye leaves a row; each one that comes removes such rows.
-- Nothing hangs on it: without a row a lease has lapsed as well.
DELETE FROM amends_workers
WHERE julianday(heartbeat_at, '+1 hour') + lease_seconds / 86400.0 < julianday('now')
