SELECT saga, state, count(*) AS run_count
FROM amends_audit_runs
WHERE started_at IS NOT NULL
AND started_at >= :since -- if since
AND started_at < :until -- if until
GROUP BY saga, state
ORDER BY saga, state
