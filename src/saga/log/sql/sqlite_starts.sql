SELECT run_id, saga, version, topic, state FROM amends_starts WHERE set_aside = 0 ORDER BY place LIMIT :limit
