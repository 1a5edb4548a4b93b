SELECT originator_id, originator_version FROM stored_events WHERE notification_id = :position
