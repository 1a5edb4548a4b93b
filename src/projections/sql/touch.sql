-- Whoever finds that its copy was swapped away applies nothing.
UPDATE amends_projection_copies SET last_run_id = :run_id, last_version = :version, moved_at = :now
WHERE name = :name AND generation = :generation AND state = :state
