-- Whoever finds another position than the one that it started from applies nothing.
UPDATE notification_tracking SET notification_id = :position
WHERE application_name = :tracked AND notification_id = :from_position
