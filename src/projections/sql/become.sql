UPDATE amends_projection_copies SET state = :state WHERE name = :name AND generation = :generation
