-- name: read
-- Newest first, at most $4: of the user $1, and of the session $2 what it did before it was known whose it is.
-- Two reads, each on its own index; another user's events of a shared session are no business of this user.
SELECT item_id, event_type, occurred_at FROM (
    (SELECT item_id, event_type, occurred_at, event_id FROM events
     WHERE user_id = $1 AND event_type = ANY($3::text[])
     ORDER BY occurred_at DESC LIMIT $4)
    UNION ALL
    (SELECT item_id, event_type, occurred_at, event_id FROM events
     WHERE session_id = $2 AND ($1::text IS NULL OR user_id IS NULL) AND event_type = ANY($3::text[])
     ORDER BY occurred_at DESC LIMIT $4)
) AS history
ORDER BY occurred_at DESC, event_id
LIMIT $4
