-- name: put_default
-- A placement that every installation starts with; what an operator made of it stays.
INSERT INTO placements (name, definition) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING

-- name: put
INSERT INTO placements (name, definition) VALUES ($1, $2)
ON CONFLICT (name) DO UPDATE SET definition = excluded.definition, updated_at = now()

-- name: list
SELECT definition FROM placements ORDER BY name

-- name: take_turn
-- Two edits of one placement take turns, also of one that is not stored yet.
SELECT pg_advisory_xact_lock(hashtext('evershelf.placements.' || $1))

-- name: get
SELECT definition FROM placements WHERE name = $1
