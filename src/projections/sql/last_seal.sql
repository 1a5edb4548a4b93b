SELECT position, chain FROM amends_seals ORDER BY position DESC LIMIT 1
