-- The server lets go of the lock of a machine that vanished without a word after about 20 s, and not after two hours.
SELECT set_config('tcp_keepalives_idle', '10', false), set_config('tcp_keepalives_interval', '5', false),
    set_config('tcp_keepalives_count', '2', false)
