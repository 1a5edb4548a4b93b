INSERT INTO amends_quarantine
    (name, generation, position, run_id, version, topic, error_type, error, try_count, failed_at)
VALUES (
    :name, :generation, :position, :run_id, :version, :topic, :error_type, :error,
    1 + coalesce((SELECT max(try_count) FROM amends_quarantine WHERE name = :name AND position = :position), 0),
    :now
)
