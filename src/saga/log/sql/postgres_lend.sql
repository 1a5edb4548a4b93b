-- Bounds a transaction that is lent to a handler, also for the case that its process is stopped in its tracks.
SELECT set_config(wanted.name, %(limit_ms)b::text, true)
FROM unnest(ARRAY['statement_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout']) AS wanted (name)
WHERE current_setting(wanted.name, true) IS NOT NULL
