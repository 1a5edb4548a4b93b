SELECT count(to_regclass('amends_run_links'))
