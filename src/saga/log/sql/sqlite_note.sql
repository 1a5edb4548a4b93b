INSERT INTO amends_runs (run_id, saga, version, owner, unwinding)
VALUES (:run_id, :saga, :version, :owner, :unwinding)
ON CONFLICT (run_id) DO UPDATE
SET saga = excluded.saga, version = excluded.version, owner = excluded.owner, unwinding = excluded.unwinding
