SELECT share.name, share.worker, share.size, share.rate_count, share.rate_us, share.taken, share.waiting
FROM amends_shares AS share
JOIN amends_workers AS living ON living.worker = share.worker
WHERE living.heartbeat_at + make_interval(secs => living.lease_seconds) > clock_timestamp()
ORDER BY share.name, share.worker
