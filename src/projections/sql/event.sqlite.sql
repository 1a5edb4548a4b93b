SELECT originator_id, originator_version, topic, state, rowid FROM stored_events WHERE rowid = :position
