SELECT 1 FROM amends_slots WHERE run_id = :run_id AND held = 0
