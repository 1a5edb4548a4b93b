SELECT originator_id, originator_version, topic, state, rowid FROM stored_events
WHERE originator_id = :run_id AND originator_version > :after ORDER BY originator_version LIMIT 500
