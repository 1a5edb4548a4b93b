SELECT run_id, version, chain FROM amends_run_links WHERE run_id IN (SELECT value FROM json_each(:run_ids))
