SELECT name FROM amends_slots WHERE run_id = :run_id
