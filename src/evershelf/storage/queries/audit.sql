-- name: write
INSERT INTO audit_log (actor, action, subject, detail) VALUES ($1, $2, $3, $4)

-- name: list
-- Newest first, below $1 (NULL: from the newest), at most $2; by actor $3, with action $4, on subject $5 (NULL: any).
SELECT audit_id, at, actor, action, subject, detail
FROM audit_log
WHERE ($1::bigint IS NULL OR audit_id < $1)
  AND ($3::text IS NULL OR actor = $3)
  AND ($4::text IS NULL OR action = $4)
  AND ($5::text IS NULL OR subject = $5)
ORDER BY audit_id DESC
LIMIT $2
