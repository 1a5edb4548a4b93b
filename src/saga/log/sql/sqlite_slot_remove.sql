DELETE FROM amends_slots WHERE run_id = :run_id AND name = :name
