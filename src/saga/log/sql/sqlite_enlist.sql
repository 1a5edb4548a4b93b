INSERT INTO amends_starts (run_id, saga, version, topic, state)
VALUES (:run_id, :saga, :version, :topic, :state)
ON CONFLICT (run_id) DO NOTHING
