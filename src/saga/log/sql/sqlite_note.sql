-- An outsider does not know the owner, and leaves it as it is, and when the run is due; that it rings changes both.
INSERT INTO amends_runs (run_id, saga, version, owner, unwinding, due_at)
VALUES (
    :run_id,
    :saga,
    :version,
    CASE WHEN :outside THEN (SELECT owner FROM amends_runs WHERE run_id = :run_id) ELSE :owner END,
    :unwinding,
    CASE WHEN :outside THEN (SELECT due_at FROM amends_runs WHERE run_id = :run_id) ELSE :due_at END
)
ON CONFLICT (run_id) DO UPDATE
SET
    saga = excluded.saga,
    version = excluded.version,
    owner = excluded.owner,
    unwinding = excluded.unwinding,
    due_at = excluded.due_at
