UPDATE amends_work SET ring_count = ring_count + 1
