-- Those first for which most wait; of each the first few runs that have it.
SELECT
    queue.name,
    max(queue.size),
    count(*) FILTER (WHERE queue.held),
    count(*) FILTER (WHERE NOT queue.held),
    (
        SELECT coalesce(json_agg(first.run_id), '[]')::text
        FROM (
            SELECT slot.run_id
            FROM amends_slots AS slot
            WHERE slot.name = queue.name AND slot.held
            ORDER BY slot.place
            LIMIT %(run_limit)b
        ) AS first
    )
FROM amends_slots AS queue
GROUP BY queue.name
ORDER BY 4 DESC, 3 DESC, queue.name
LIMIT %(limit)b
