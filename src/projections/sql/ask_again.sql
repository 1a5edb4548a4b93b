INSERT INTO amends_redeliveries (name, position, asked_at)
SELECT event.name, event.position, :now
FROM amends_quarantine AS event
JOIN amends_projection_copies AS copy ON copy.name = event.name AND copy.generation = event.generation
WHERE event.name = :name AND copy.state = 'live'
AND (CAST(:position AS bigint) IS NULL OR event.position = :position)
ON CONFLICT (name, position) DO NOTHING
