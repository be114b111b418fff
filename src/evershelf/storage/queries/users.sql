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

-- name: search
-- A page of ids that begin with $1, above $2, at most $3; compared by bytes, so that the prefix is a range.
SELECT user_id, attributes FROM users
WHERE user_id COLLATE "C" > $2 AND user_id COLLATE "C" >= $1 AND starts_with(user_id, $1)
ORDER BY user_id COLLATE "C" LIMIT $3
