SELECT coalesce(max(notification_id), 0) FROM stored_events
