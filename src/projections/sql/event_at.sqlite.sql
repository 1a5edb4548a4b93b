SELECT originator_id, originator_version FROM stored_events WHERE rowid = :position
