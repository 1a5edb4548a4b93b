INSERT INTO amends_workers (worker, heartbeat_at, lease_seconds)
VALUES (:worker, strftime('%Y-%m-%d %H:%M:%f', 'now'), :lease_seconds)
ON CONFLICT (worker) DO UPDATE
SET heartbeat_at = excluded.heartbeat_at, lease_seconds = excluded.lease_seconds
