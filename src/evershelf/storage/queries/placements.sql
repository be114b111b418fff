-- name: put_default
-- A placement that every installation starts with; what an operator made of it stays.
INSERT INTO placements (name, definition) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING

-- name: put
INSERT INTO placements (name, definition) VALUES ($1, $2)
ON CONFLICT (name) DO UPDATE SET definition = excluded.definition, updated_at = now()

-- name: list
SELECT definition FROM placements ORDER BY name
