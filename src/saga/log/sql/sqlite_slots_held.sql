SELECT count(*) FROM amends_slots WHERE name = :name AND held = 1
