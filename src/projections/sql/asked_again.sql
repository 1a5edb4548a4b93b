-- The notices in quarantine that somebody wants to be delivered again.
SELECT asked.position
FROM amends_redeliveries AS asked
JOIN amends_quarantine AS event ON event.name = asked.name AND event.position = asked.position
WHERE asked.name = :name AND event.generation = :generation AND asked.position > :after
ORDER BY asked.position
LIMIT 1
