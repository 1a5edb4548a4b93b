SELECT EXISTS (SELECT 1 FROM amends_starts WHERE set_aside = 0)
