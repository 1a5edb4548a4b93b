SELECT count(*) FROM amends_quarantine WHERE name = :name AND generation = :generation
