UPDATE amends_slots SET held = 1 WHERE place = ?
