SELECT run_id FROM amends_runs WHERE coalesce(owner, '') = :worker
