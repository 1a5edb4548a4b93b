SELECT coalesce(max(version), 0) FROM amends_schema
