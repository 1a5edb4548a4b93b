SELECT ring_count FROM amends_work
