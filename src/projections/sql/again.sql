-- It failed once more.
UPDATE amends_quarantine
SET error_type = :error_type, error = :error, try_count = try_count + 1, failed_at = :now
WHERE name = :name AND generation = :generation AND position = :position
