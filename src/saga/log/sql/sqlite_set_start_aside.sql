UPDATE amends_starts SET set_aside = 1 WHERE run_id = :run_id
