-- The columns of stored_events where the search path finds it, in order, and whether amends_schema is there.
SELECT
    coalesce(
        (
            SELECT array_agg(attname || ' ' || format_type(atttypid, atttypmod) ORDER BY attnum)
            FROM pg_attribute
            WHERE attrelid = to_regclass('stored_events') AND attnum > 0 AND NOT attisdropped
        ),
        '{}'::text[]
    ),
    to_regclass('amends_schema') IS NOT NULL
