SELECT originator_id, originator_version, topic, state, notification_id FROM stored_events
WHERE notification_id = :position
