-- One page of a run: rows are added while those before them are within the bound in bytes. octet_length does not
-- fetch a large value.
SELECT originator_id, originator_version, topic, state, notification_id
FROM (
    SELECT
        page.*,
        sum(octet_length(state)) OVER (ORDER BY originator_version) - octet_length(state) AS bytes_before
    FROM (
        SELECT originator_id, originator_version, topic, state, notification_id
        FROM stored_events
        WHERE originator_id = %(run_id)b AND originator_version > %(after)b
        ORDER BY originator_version
        LIMIT %(page_count)b
    ) AS page
) AS bounded
WHERE bytes_before < %(page_bytes)b
ORDER BY originator_version
