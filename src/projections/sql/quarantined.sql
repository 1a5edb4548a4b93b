SELECT event.position, event.run_id, event.version, event.topic, event.error_type, event.error, event.try_count, event.failed_at
FROM amends_quarantine AS event
JOIN amends_projection_copies AS copy ON copy.name = event.name AND copy.generation = event.generation
WHERE event.name = :name AND copy.state = 'live' AND event.position > :after
ORDER BY event.position
LIMIT :limit
