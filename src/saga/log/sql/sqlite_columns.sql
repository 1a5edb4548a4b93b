SELECT name, type FROM pragma_table_info('stored_events') ORDER BY cid
