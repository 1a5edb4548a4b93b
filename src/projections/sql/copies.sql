SELECT copy.generation, copy.version, copy.state, copy.tables, coalesce(tracked.notification_id, 0),
    copy.last_run_id, copy.last_version, copy.moved_at
FROM amends_projection_copies AS copy
LEFT JOIN notification_tracking AS tracked
    ON tracked.application_name = CASE copy.state
        WHEN 'live' THEN copy.name
        ELSE copy.name || '@' || CAST(copy.generation AS text)
    END
WHERE copy.name = :name
ORDER BY copy.generation
