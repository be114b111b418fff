-- name: upsert
-- Sorted, so that two writers lock rows in one order; only rows that differ are written.
INSERT INTO users (user_id, attributes)
SELECT user_id, attributes FROM jsonb_to_recordset($1) AS given (user_id text, attributes jsonb) ORDER BY user_id
ON CONFLICT (user_id) DO UPDATE SET attributes = excluded.attributes, updated_at = now()
WHERE users.attributes IS DISTINCT FROM excluded.attributes

-- name: get
SELECT user_id, attributes FROM users WHERE user_id = $1

-- name: delete
DELETE FROM users WHERE user_id = $1
