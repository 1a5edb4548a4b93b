UPDATE amends_starts SET set_aside = true WHERE run_id = %(run_id)b::text
