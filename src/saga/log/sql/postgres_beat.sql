INSERT INTO amends_workers (worker, heartbeat_at, lease_seconds)
VALUES (%(worker)b, clock_timestamp(), %(lease_seconds)b)
ON CONFLICT (worker) DO UPDATE
SET heartbeat_at = excluded.heartbeat_at, lease_seconds = excluded.lease_seconds
