UPDATE amends_runs SET owner = NULL, due_at = NULL
WHERE place IN (SELECT place FROM amends_runs WHERE due_at <= :now ORDER BY due_at LIMIT :limit)
