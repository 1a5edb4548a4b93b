SELECT *
FROM amends_audit_commands
WHERE true
AND position < :cursor_position -- if cursor
ORDER BY position DESC
LIMIT :limit
