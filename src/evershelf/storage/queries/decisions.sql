-- name: ensure_partitions
SELECT ensure_month_partitions('decisions', month, month) FROM unnest($1::timestamptz[]) AS month

-- name: store
INSERT INTO decisions
    (recommendation_id, decided_at, placement, user_id, session_id, source, reason, degraded, model_version,
     snapshot_version, item_ids, record)
SELECT recommendation_id, decided_at, placement, user_id, session_id, source, reason, degraded, model_version,
       snapshot_version, item_ids, record
FROM jsonb_to_recordset($1) AS given (
    recommendation_id uuid, decided_at timestamptz, placement text, user_id text, session_id text, source text,
    reason text, degraded boolean, model_version text, snapshot_version text, item_ids text[], record jsonb
)
ON CONFLICT DO NOTHING

-- name: get
SELECT * FROM decisions WHERE recommendation_id = $1 LIMIT 1
