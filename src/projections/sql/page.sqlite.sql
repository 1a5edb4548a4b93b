-- At most a page; whoever reads it stops at its bound in bytes.
SELECT originator_id, originator_version, topic, state, rowid
FROM stored_events
WHERE rowid > :after
ORDER BY rowid
LIMIT :page_count
