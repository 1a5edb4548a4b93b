SELECT count(*) FROM sqlite_master WHERE name = 'amends_quarantine'
