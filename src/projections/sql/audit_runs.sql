-- A page of runs, newest first; each line with a condition belongs to it when that is asked for. A text is searched for
-- in what this gives, page by page. A run waits if of one name it has more waits whose time is not up than signals:
-- each signal ends one, whether it comes before it or after.
SELECT run.* -- unless text
SELECT run.run_id, run.started_at, run.started_position, run.error, run.parked_detail -- if text
FROM amends_audit_runs AS run -- unless tag
FROM amends_audit_tags AS tag -- if tag
JOIN amends_audit_runs AS run ON run.run_id = tag.run_id -- if tag
WHERE run.started_at IS NOT NULL
AND tag.name = :tag_name AND tag.value = :tag_value -- if tag
AND run.state = :state -- if state
AND run.parked_reason = :parked -- if parked
AND run.saga = :saga -- if saga
AND run.failing_action = :action -- if action
AND run.wait_count > 0 AND run.state = 'running' AND EXISTS ( -- if waiting
    SELECT 1 FROM amends_audit_waits AS wait -- if waiting
    WHERE wait.run_id = run.run_id AND wait.began_at IS NOT NULL AND wait.fired_at IS NULL -- if waiting
    GROUP BY wait.signal -- if waiting
    HAVING wait.signal IS NULL OR count(*) > ( -- if waiting
        SELECT count(*) FROM amends_audit_commands AS told -- if waiting
        WHERE told.run_id = run.run_id AND told.kind = 'signal' AND told.signal = wait.signal -- if waiting
    ) -- if waiting
) -- if waiting
AND (run.error IS NOT NULL OR run.parked_detail IS NOT NULL) -- if text
AND run.started_at >= :since -- if since_run
AND tag.started_at >= :since -- if since_tag
AND run.started_at < :until -- if until_run
AND tag.started_at < :until -- if until_tag
AND (run.started_at, run.started_position) < (:cursor_at, :cursor_position) -- if cursor_run
AND (tag.started_at, tag.position) < (:cursor_at, :cursor_position) -- if cursor_tag
ORDER BY run.started_at DESC, run.started_position DESC -- unless tag
ORDER BY tag.started_at DESC, tag.position DESC -- if tag
LIMIT :limit
