SELECT count(*) FROM stored_events WHERE notification_id > :position
