SELECT share.name, share.worker, share.size, share.rate_count, share.rate_us, share.taken, share.waiting
FROM amends_shares AS share
JOIN amends_workers AS living ON living.worker = share.worker
WHERE julianday(living.heartbeat_at) + living.lease_seconds / 86400.0 > julianday('now')
ORDER BY share.name, share.worker
