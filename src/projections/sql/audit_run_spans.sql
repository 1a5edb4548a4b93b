-- The newest runs that have ended, to tell how long runs take: a range of one index, newest first.
SELECT saga AS name, started_at, ended_at, completed_at, outcome <> 'completed' AS has_failed
FROM amends_audit_runs
WHERE started_at IS NOT NULL AND ended_at IS NOT NULL
AND started_at >= :since -- if since
AND started_at < :until -- if until
ORDER BY started_at DESC, started_position DESC
LIMIT :limit
