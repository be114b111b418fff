-- name: create
INSERT INTO api_keys (key_id, name, digest, scopes, created_at, quota_per_s)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (key_id) DO NOTHING

-- name: revoke
UPDATE api_keys SET revoked_at = now() WHERE key_id = $1 AND (revoked_at IS NULL OR revoked_at > now())

-- name: find_valid
SELECT key_id, name, digest, scopes, created_at, revoked_at, quota_per_s FROM api_keys
WHERE key_id = $1 AND revoked_at IS NULL FOR UPDATE

-- name: revoke_at
UPDATE api_keys SET revoked_at = $2 WHERE key_id = $1

-- name: list
SELECT key_id, name, digest, scopes, created_at, revoked_at, quota_per_s FROM api_keys ORDER BY created_at, key_id LIMIT $1
