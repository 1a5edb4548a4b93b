-- The owner of the run has something to read; a run that waits is free from here on.
UPDATE amends_runs
SET rung_count = rung_count + 1, owner = nullif(owner, '~'), due_at = NULL
WHERE run_id = :run_id
