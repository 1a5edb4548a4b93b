SELECT run_id, version, chain FROM amends_run_links
WHERE run_id = ANY (ARRAY(SELECT json_array_elements_text(CAST(:run_ids AS json))))
