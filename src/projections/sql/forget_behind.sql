DELETE FROM amends_quarantine WHERE name = :name AND generation = :generation AND position > :position
