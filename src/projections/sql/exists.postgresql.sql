SELECT count(to_regclass('amends_quarantine'))
