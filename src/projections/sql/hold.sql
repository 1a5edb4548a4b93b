-- Locks the row: no follower moves the position until this transaction ends.
UPDATE notification_tracking SET notification_id = notification_id WHERE application_name = :tracked
