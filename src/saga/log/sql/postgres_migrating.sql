-- Held to the end of the transaction that changes the schema. Whoever comes second waits here and finds it changed.
SELECT pg_advisory_xact_lock(107126708036724)
