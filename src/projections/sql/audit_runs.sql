-- A page of runs, newest first; each line with a condition belongs to it when that is asked for. A text is searched for
-- in what this gives, page by page.
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
