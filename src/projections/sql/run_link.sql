SELECT version, chain FROM amends_run_links WHERE run_id = :run_id
