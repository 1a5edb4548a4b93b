INSERT INTO amends_seals (position, chain, marks, sealed_at) VALUES (:position, :chain, :marks, :sealed_at)
