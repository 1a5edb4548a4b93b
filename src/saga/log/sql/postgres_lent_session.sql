-- What a session that is lent to handlers insists on. Its limits are set for each transaction (postgres_lend.sql): there
-- are none here, because a transaction_timeout that is running is not set anew by a change within the transaction.
SELECT set_config(wanted.name, wanted.value, false)
FROM (
    VALUES
        -- An append reads versions after it has waited for the lock, so each statement must see what is then committed.
        ('default_transaction_isolation', 'read committed'),
        ('lock_timeout', '0'),
        ('statement_timeout', '0'),
        ('transaction_timeout', '0'),
        ('idle_in_transaction_session_timeout', '0'),
        -- Durable when the commit returns. Any stronger mode (remote_apply, ...) is left as it is.
        ('synchronous_commit', 'on')
) AS wanted (name, value)
JOIN pg_settings AS known ON known.name = wanted.name
WHERE wanted.name <> 'synchronous_commit' OR known.setting = 'off'
