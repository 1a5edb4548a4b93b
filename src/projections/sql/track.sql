INSERT INTO notification_tracking (application_name, notification_id) VALUES (:tracked, :position)
ON CONFLICT (application_name) DO UPDATE SET notification_id = excluded.notification_id
