SELECT * FROM amends_audit_commands WHERE run_id = :run_id ORDER BY position
