-- One page of a run: rows are added while those before them are within the bound in bytes.
SELECT originator_id, originator_version, topic, state, position
FROM (
    SELECT
        originator_id, originator_version, topic, state, position,
        sum(length(state)) OVER (ORDER BY originator_version) - length(state) AS bytes_before
    FROM (
        SELECT originator_id, originator_version, topic, state, rowid AS position
        FROM stored_events
        WHERE originator_id = :run_id AND originator_version > :after
        ORDER BY originator_version
        LIMIT :page_count
    )
)
WHERE bytes_before < :page_bytes
ORDER BY originator_version
