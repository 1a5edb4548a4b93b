DELETE FROM notification_tracking WHERE application_name = :tracked
