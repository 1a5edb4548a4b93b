SELECT topic, state FROM stored_events WHERE notification_id > :position ORDER BY notification_id LIMIT 1
