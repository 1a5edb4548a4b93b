SELECT run_id, position, signal, given_at
FROM amends_audit_commands
WHERE kind = 'signal'
AND run_id IN (SELECT value FROM json_each(:run_ids)) -- if sqlite
AND run_id IN (SELECT json_array_elements_text(CAST(:run_ids AS json))) -- unless sqlite
ORDER BY position
