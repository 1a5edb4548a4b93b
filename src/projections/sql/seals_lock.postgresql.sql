-- One seals at a time: a seal follows the one before it.
SELECT pg_advisory_xact_lock(hashtextextended('amends seals', 0))
