SELECT min(due_at) FROM amends_runs WHERE due_at < :for_ever
