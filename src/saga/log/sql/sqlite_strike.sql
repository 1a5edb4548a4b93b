DELETE FROM amends_runs WHERE run_id = :run_id
