INSERT INTO amends_projection_copies
    (name, generation, version, state, tables, last_run_id, last_version, moved_at)
VALUES (:name, :generation, :version, :state, :tables, :run_id, :run_version, :moved_at)
