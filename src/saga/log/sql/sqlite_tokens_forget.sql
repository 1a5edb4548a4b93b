DELETE FROM amends_tokens WHERE name = :limit AND until_us <= :asked_us
