-- The owner of a run, once for each slot that it has, or without one.
SELECT run.owner, slot.name
FROM (SELECT :run_id AS run_id) AS wanted
LEFT JOIN amends_runs AS run ON run.run_id = wanted.run_id
LEFT JOIN amends_slots AS slot ON slot.run_id = wanted.run_id AND slot.held = 1
