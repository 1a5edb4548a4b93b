INSERT INTO amends_tokens (name, until_us, token_count)
VALUES (:limit, :until_us, :token_count)
ON CONFLICT (name, until_us) DO UPDATE
SET token_count = token_count + excluded.token_count
