SELECT * FROM amends_audit_runs WHERE run_id = :run_id
