DELETE FROM amends_redeliveries WHERE name = :name AND position = :position
