-- Those who have waited longest first; only as many are read as get one, and one more.
SELECT place, run_id, size FROM amends_slots WHERE name = :name AND held = 0 ORDER BY place
