SELECT * FROM amends_audit_steps WHERE run_id = :run_id ORDER BY started_position, step
