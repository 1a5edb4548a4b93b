SELECT *
FROM amends_audit_waits
WHERE run_id IN (SELECT value FROM json_each(:run_ids)) -- if sqlite
WHERE run_id IN (SELECT json_array_elements_text(CAST(:run_ids AS json))) -- unless sqlite
ORDER BY began_position, step
