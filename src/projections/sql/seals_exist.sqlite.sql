SELECT count(*) FROM sqlite_master WHERE name = 'amends_run_links'
