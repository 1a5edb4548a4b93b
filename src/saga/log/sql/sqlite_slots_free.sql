-- Those who have waited longest, as many as there is room for; how much that is, the first of them says.
SELECT place, run_id
FROM amends_slots
WHERE name = :name AND NOT held
ORDER BY place
LIMIT max(0, coalesce(
    (SELECT size FROM amends_slots WHERE name = :name AND NOT held ORDER BY place LIMIT 1), 0
) - (SELECT count(*) FROM amends_slots WHERE name = :name AND held))
