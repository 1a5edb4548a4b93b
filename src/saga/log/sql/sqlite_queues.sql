-- Those first for which most wait; of each the first few runs that have it.
SELECT
    queue.name,
    max(queue.size),
    sum(queue.held),
    count(*) - sum(queue.held),
    (
        SELECT json_group_array(first.run_id)
        FROM (
            SELECT slot.run_id FROM amends_slots AS slot
            WHERE slot.name = queue.name AND slot.held = 1
            ORDER BY slot.place
            LIMIT :run_limit
        ) AS first
    )
FROM amends_slots AS queue
GROUP BY queue.name
ORDER BY 4 DESC, 3 DESC, queue.name
LIMIT :limit
