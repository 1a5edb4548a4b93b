SELECT count(*) FROM stored_events WHERE rowid > :position
