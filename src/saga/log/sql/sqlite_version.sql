SELECT coalesce(max(originator_version), 0) FROM stored_events WHERE originator_id = ?
