INSERT INTO amends_projection_copies (name, generation, version, state, tables, moved_at)
VALUES (:name, :generation, :version, :state, :tables, :moved_at)
