SELECT topic, state FROM amends_starts WHERE run_id = %(run_id)s
