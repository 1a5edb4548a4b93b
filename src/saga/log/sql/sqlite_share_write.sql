INSERT INTO amends_shares (
    name, worker, size, rate_count, rate_us, wanted, waiting, taken, since_us, drew_us, asked_us
)
VALUES (
    :limit, :worker, :size, :rate_count, :rate_us, :wanted, :waiting, :taken, :since_us, :drew_us, :asked_us
)
ON CONFLICT (name, worker) DO UPDATE
SET
    size = excluded.size,
    rate_count = excluded.rate_count,
    rate_us = excluded.rate_us,
    wanted = excluded.wanted,
    waiting = excluded.waiting,
    taken = excluded.taken,
    since_us = excluded.since_us,
    drew_us = excluded.drew_us,
    asked_us = excluded.asked_us
