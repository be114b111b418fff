-- name: ensure_partitions
-- One call a month that occurs in the batch, not a range: an old event among new ones makes one partition.
SELECT ensure_month_partitions('events', month, month) FROM unnest($1::timestamptz[]) AS month

-- name: take_turn
-- Writers of events take turns, held until commit: two batches with the same event cannot both find it unknown.
-- They would queue on the counters anyway.
SELECT pg_advisory_xact_lock(hashtext('evershelf.events'))

-- name: store
-- $1..$9 the columns, $10 the window, $11 and $12 the earliest and latest occurred_at less and plus the window, which
-- let the planner leave out partitions. An event is stored if its id is unknown within the window, the first in the
-- batch winning; else it is a duplicate if the known one has the same body, and a conflict if not.
-- What was erased before it came is neither stored nor known.
WITH given AS (
    SELECT * FROM unnest(
        $1::uuid[], $2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::text[], $7::float8[], $8::text[], $9::uuid[]
    ) WITH ORDINALITY AS row (
        event_id, occurred_at, user_id, session_id, item_id, event_type, value, placement, recommendation_id, position
    )
), sent AS (
    SELECT * FROM given
    WHERE NOT (EXISTS (SELECT FROM erasures) AND is_erased(given.user_id, given.session_id, given.occurred_at))
), known AS MATERIALIZED (
    SELECT event_id, occurred_at, user_id, session_id, item_id, event_type, value, placement, recommendation_id
    FROM events
    WHERE event_id = ANY($1::uuid[]) AND occurred_at BETWEEN $11 AND $12
), fresh AS MATERIALIZED (
    SELECT DISTINCT ON (event_id) *
    FROM sent
    WHERE NOT EXISTS (
        SELECT FROM known
        WHERE known.event_id = sent.event_id
          AND known.occurred_at BETWEEN sent.occurred_at - $10::interval AND sent.occurred_at + $10::interval
    )
    ORDER BY event_id, position
), stored AS (
    INSERT INTO events
        (event_id, occurred_at, user_id, session_id, item_id, event_type, value, placement, recommendation_id)
    SELECT event_id, occurred_at, user_id, session_id, item_id, event_type, value, placement, recommendation_id
    FROM fresh
    ON CONFLICT DO NOTHING
    RETURNING event_id
), winners AS (
    SELECT * FROM known
    UNION ALL
    SELECT event_id, occurred_at, user_id, session_id, item_id, event_type, value, placement, recommendation_id FROM fresh
), clashing AS (
    SELECT event_id
    FROM sent
    WHERE NOT EXISTS (
        SELECT FROM winners
        WHERE winners.event_id = sent.event_id
          AND (winners.occurred_at, winners.user_id, winners.session_id, winners.item_id, winners.event_type,
               winners.value, winners.placement, winners.recommendation_id)
              IS NOT DISTINCT FROM
              (sent.occurred_at, sent.user_id, sent.session_id, sent.item_id, sent.event_type,
               sent.value, sent.placement, sent.recommendation_id)
    )
)
SELECT (SELECT count(*) FROM stored) AS stored,
       (SELECT coalesce(array_agg(event_id), '{}') FROM clashing) AS conflict_ids

-- name: count_up
-- $1 names, $2 how much each moves.
INSERT INTO event_counters (name, count)
SELECT * FROM unnest($1::text[], $2::bigint[]) AS moved (name, count) WHERE moved.count > 0 ORDER BY name
ON CONFLICT (name) DO UPDATE SET count = event_counters.count + excluded.count

-- name: bury
-- The same event with the same reason is buried once. $5 is when it happened, NULL where nobody can read that. A body
-- that quotes somebody (found as in erasures.reapply_dead_letters) who was erased since then is buried empty.
INSERT INTO dead_letter_events (event_id, body, reason, attempts)
SELECT event_id, CASE WHEN EXISTS (SELECT FROM erasures) AND EXISTS (
    SELECT FROM string_to_table(replace(replace(body, '\\', E'\x02'), '\"', E'\x01'), '"') AS quoted
    CROSS JOIN LATERAL translate(quoted, E'\x01\x02', '"\') AS name
    JOIN erasures ON digest IN (erasure_digest('user', name), erasure_digest('session', name))
    WHERE erased_at >= coalesce(occurred_at, '-infinity')
) THEN '' ELSE body END, reason, attempts
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::integer[], $5::timestamptz[])
    AS dead (event_id, body, reason, attempts, occurred_at)
ON CONFLICT (event_id, reason) WHERE event_id IS NOT NULL DO NOTHING

-- name: counters
SELECT name, count FROM event_counters
