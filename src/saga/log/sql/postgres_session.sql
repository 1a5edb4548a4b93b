-- What our connections insist on, whatever the server, the database or the role have as defaults. A setting that this
-- server does not know (transaction_timeout came with version 17) is left out by the join.
SELECT set_config(wanted.name, wanted.value, false)
FROM (
    VALUES
        -- An append reads versions after it has waited for the lock, so each statement must see what is then committed.
        ('default_transaction_isolation', 'read committed'),
        -- A writer that waits or stalls gives way before the patience of the others ends.
        ('lock_timeout', '2s'),
        ('statement_timeout', '5s'),
        ('transaction_timeout', '5s'),
        ('idle_in_transaction_session_timeout', '5s'),
        -- Durable when append returns. Any stronger mode (remote_apply, ...) is left as it is.
        ('synchronous_commit', 'on')
) AS wanted (name, value)
JOIN pg_settings AS known ON known.name = wanted.name
WHERE wanted.name <> 'synchronous_commit' OR known.setting = 'off'
