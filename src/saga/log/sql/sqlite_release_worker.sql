DELETE FROM amends_workers WHERE worker = :worker
