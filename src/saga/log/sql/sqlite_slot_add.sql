INSERT INTO amends_slots (name, run_id, size, held) VALUES (:name, :run_id, :size, :size = 0)
