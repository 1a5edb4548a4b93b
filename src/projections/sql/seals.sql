SELECT position, chain, marks FROM amends_seals WHERE position > :after ORDER BY position LIMIT 100
