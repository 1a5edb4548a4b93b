DELETE FROM amends_projection_copies WHERE name = :name AND generation = :generation
