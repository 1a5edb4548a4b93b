SELECT DISTINCT name FROM amends_projection_copies ORDER BY name
