-- name: write
INSERT INTO audit_log (actor, action, subject, detail) VALUES ($1, $2, $3, $4)

-- name: list
-- Newest first, below $1 (NULL: from the newest), at most $2.
SELECT audit_id, at, actor, action, subject, detail
FROM audit_log
WHERE $1::bigint IS NULL OR audit_id < $1
ORDER BY audit_id DESC
LIMIT $2
