-- The steps of the newest runs, to tell how long actions take, from the first attempt to the end of the last one.
SELECT step.action AS name, step.started_at, step.ended_at, step.phase = 'failed' AS has_failed
FROM (
    SELECT run_id FROM amends_audit_runs
    WHERE started_at IS NOT NULL
    AND started_at >= :since -- if since
    AND started_at < :until -- if until
    ORDER BY started_at DESC, started_position DESC
    LIMIT :limit
) AS run
JOIN amends_audit_steps AS step ON step.run_id = run.run_id
WHERE step.action IS NOT NULL AND step.started_at IS NOT NULL AND step.ended_at IS NOT NULL
LIMIT :step_limit
