SELECT coalesce(max(rowid), 0) FROM stored_events
