-- One page of all runs, in the order of the log: rows are added while those before them are within the bound in bytes.
SELECT originator_id, originator_version, topic, state, position
FROM (
    SELECT
        originator_id, originator_version, topic, state, position,
        sum(length(state)) OVER (ORDER BY position) - length(state) AS bytes_before
    FROM (
        SELECT originator_id, originator_version, topic, state, rowid AS position
        FROM stored_events
        WHERE rowid > :after
        ORDER BY rowid
        LIMIT :page_count
    )
)
WHERE bytes_before < :page_bytes
ORDER BY position
