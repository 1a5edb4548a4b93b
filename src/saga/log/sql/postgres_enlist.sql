-- Writes a start in the caller's own transaction, unless there is one of this run id; workers hear of it at the commit.
WITH added AS (
    INSERT INTO amends_starts (run_id, saga, version, topic, state)
    VALUES (%(run_id)s, %(saga)s, %(version)s, %(topic)s, %(state)s)
    ON CONFLICT (run_id) DO NOTHING
    RETURNING run_id
)
SELECT pg_notify('amends_work', '') FROM added
