UPDATE amends_runs SET owner = NULL WHERE coalesce(owner, '') = :worker
