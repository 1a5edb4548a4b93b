-- Unfinished runs that nobody has, or whose owner's lease has lapsed, oldest first: those of the known sagas and
-- versions (of a run that unwinds, the name is enough), or else all others.
--
-- Its cost must not grow with the runs that live workers have, nor with those that nobody here knows. So it never looks
-- at runs one by one: it hops through the index from owner to owner, and from kind to kind of the free ones, each kind
-- named by the place of its oldest run, and then reads the oldest of each wanted kind. The oldest so many runs are
-- among the so many kinds whose oldest runs are the oldest. Those that wait are under an owner whom no worker is, and
-- are left out.
WITH RECURSIVE
owners (owner) AS (
    SELECT (SELECT coalesce(owner, '') FROM amends_runs ORDER BY coalesce(owner, '') LIMIT 1)
    UNION ALL
    SELECT (
        SELECT coalesce(run.owner, '')
        FROM amends_runs AS run
        WHERE coalesce(run.owner, '') > owners.owner
        ORDER BY coalesce(run.owner, '')
        LIMIT 1
    )
    FROM owners
    WHERE owners.owner IS NOT NULL
),
free (owner) AS (
    SELECT owners.owner
    FROM owners
    LEFT JOIN amends_workers AS worker ON worker.worker = owners.owner
    WHERE owners.owner IS NOT NULL AND owners.owner <> '~' AND (
        worker.worker IS NULL
        OR julianday(worker.heartbeat_at) + worker.lease_seconds / 86400.0 <= julianday('now')
    )
),
kinds (place) AS (
    SELECT (
        SELECT run.place
        FROM amends_runs AS run
        WHERE coalesce(run.owner, '') = free.owner
        ORDER BY run.saga, run.version, run.unwinding, run.place
        LIMIT 1
    )
    FROM free
    UNION ALL
    SELECT coalesce(
        (
            SELECT run.place
            FROM amends_runs AS run
            WHERE
                coalesce(run.owner, '') = coalesce(kind.owner, '')
                AND run.saga = kind.saga
                AND run.version = kind.version
                AND run.unwinding > kind.unwinding
            ORDER BY run.unwinding, run.place
            LIMIT 1
        ),
        (
            SELECT run.place
            FROM amends_runs AS run
            WHERE
                coalesce(run.owner, '') = coalesce(kind.owner, '')
                AND run.saga = kind.saga
                AND run.version > kind.version
            ORDER BY run.version, run.unwinding, run.place
            LIMIT 1
        ),
        (
            SELECT run.place
            FROM amends_runs AS run
            WHERE coalesce(run.owner, '') = coalesce(kind.owner, '') AND run.saga > kind.saga
            ORDER BY run.saga, run.version, run.unwinding, run.place
            LIMIT 1
        )
    )
    FROM kinds
    CROSS JOIN amends_runs AS kind ON kind.place = kinds.place
),
wanted (place) AS (
    SELECT kinds.place
    FROM kinds
    CROSS JOIN amends_runs AS kind ON kind.place = kinds.place
    WHERE :known = EXISTS (
        SELECT 1
        FROM json_each(:sagas) AS mine
        WHERE
            json_extract(mine.value, '$[0]') = kind.saga
            AND (json_extract(mine.value, '$[1]') = kind.version OR kind.unwinding)
    )
    ORDER BY kinds.place
    LIMIT :limit
)
SELECT run.run_id, run.saga, run.version, run.unwinding, run.owner IS NOT NULL
FROM wanted
CROSS JOIN amends_runs AS kind ON kind.place = wanted.place
CROSS JOIN amends_runs AS run ON run.place IN (
    SELECT oldest.place
    FROM amends_runs AS oldest
    WHERE
        coalesce(oldest.owner, '') = coalesce(kind.owner, '')
        AND oldest.saga = kind.saga
        AND oldest.version = kind.version
        AND oldest.unwinding = kind.unwinding
    ORDER BY oldest.place
    LIMIT :limit
)
ORDER BY run.place
LIMIT :limit
