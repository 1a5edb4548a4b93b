-- Returns when every transaction that has appended so far is over: each holds this lock to its end.
SELECT true FROM pg_advisory_xact_lock(107126708036723)
