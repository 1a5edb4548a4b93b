SELECT run_id, rung_count FROM amends_runs WHERE owner = :worker AND rung_count > 0
