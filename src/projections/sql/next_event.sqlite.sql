SELECT topic, state FROM stored_events WHERE rowid > :position ORDER BY rowid LIMIT 1
