-- One page of all runs, in the order of the log: rows are added while those before them are within the bound in bytes.
SELECT originator_id, originator_version, topic, state, notification_id
FROM (
    SELECT
        page.*,
        sum(octet_length(state)) OVER (ORDER BY notification_id) - octet_length(state) AS bytes_before
    FROM (
        SELECT originator_id, originator_version, topic, state, notification_id
        FROM stored_events
        WHERE notification_id > %(after)b
        ORDER BY notification_id
        LIMIT %(page_count)b
    ) AS page
) AS bounded
WHERE bytes_before < %(page_bytes)b
ORDER BY notification_id
