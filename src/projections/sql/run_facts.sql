-- The events before one that say what a run is, and why it is undone.
SELECT topic, state FROM stored_events
WHERE originator_id = :run_id AND originator_version < :version AND topic IN (:started, :failing)
ORDER BY originator_version
