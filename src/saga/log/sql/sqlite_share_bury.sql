DELETE FROM amends_shares
WHERE name = :limit AND worker NOT IN (
    SELECT worker FROM amends_workers WHERE julianday(heartbeat_at) + lease_seconds / 86400.0 > julianday('now')
)
