-- name: ensure_partitions
SELECT ensure_month_partitions('decisions', month, month) FROM unnest($1::timestamptz[]) AS month

-- name: store
INSERT INTO decisions
    (recommendation_id, decided_at, placement, user_id, session_id, source, reason, degraded, model_version,
     snapshot_version, item_ids, record)
SELECT recommendation_id, decided_at, placement, user_id, session_id, source, reason, degraded, model_version,
       snapshot_version, item_ids, record
FROM jsonb_to_recordset($1::text::jsonb) AS given (
    recommendation_id uuid, decided_at timestamptz, placement text, user_id text, session_id text, source text,
    reason text, degraded boolean, model_version text, snapshot_version text, item_ids text[], record jsonb
)
-- What was erased before it came is not stored.
WHERE NOT (EXISTS (SELECT FROM erasures) AND is_erased(given.user_id, given.session_id, given.decided_at))
ON CONFLICT DO NOTHING

-- name: get
SELECT * FROM decisions WHERE recommendation_id = $1 LIMIT 1

-- name: search
-- Newest first: of the user $1, session $2, placement $3, source $4, reason $5, degraded $6 (NULL: any), decided in
-- [$7, $8), at most $9.
SELECT * FROM decisions
WHERE ($1::text IS NULL OR user_id = $1)
  AND ($2::text IS NULL OR session_id = $2)
  AND ($3::text IS NULL OR placement = $3)
  AND ($4::text IS NULL OR source = $4)
  AND ($5::text IS NULL OR reason = $5)
  AND ($6::boolean IS NULL OR degraded = $6)
  AND decided_at >= $7 AND decided_at < $8
ORDER BY decided_at DESC
LIMIT $9
