SELECT run_id, rung_count FROM amends_runs WHERE owner = %(worker)b AND rung_count > 0
