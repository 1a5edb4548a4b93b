-- A worker that has been silent for long and did not say goodbye leaves a row; each one that comes removes such rows.
-- Nothing hangs on it: without a row a lease has lapsed as well. Rows that others remove at the moment are left to them.
DELETE FROM amends_workers
WHERE worker IN (
    SELECT silent.worker
    FROM amends_workers AS silent
    WHERE silent.heartbeat_at + make_interval(hours => 1, secs => silent.lease_seconds) < clock_timestamp()
    FOR UPDATE SKIP LOCKED
)
