-- name: read_many
-- The histories of all the users $1 and all the sessions $2, one row each with what was seen in parallel arrays: newest
-- first, at most $4 interactions of each. One query for all who wait costs a fraction of one query each.
SELECT known.user_id, known.session_id, history.item_ids, history.event_types, history.occurred_at_s
FROM (
    SELECT user_id, NULL::text AS session_id FROM unnest($1::text[]) AS user_id
    UNION ALL
    SELECT NULL::text, session_id FROM unnest($2::text[]) AS session_id
) AS known
CROSS JOIN LATERAL (
    SELECT array_agg(item_id ORDER BY occurred_at DESC, event_id) AS item_ids,
           array_agg(event_type ORDER BY occurred_at DESC, event_id) AS event_types,
           array_agg(extract(epoch FROM occurred_at)::float8 ORDER BY occurred_at DESC, event_id) AS occurred_at_s
    FROM (
        (SELECT item_id, event_type, occurred_at, event_id FROM events
         WHERE user_id = known.user_id AND event_type = ANY($3::text[])
         ORDER BY occurred_at DESC LIMIT $4)
        UNION ALL
        (SELECT item_id, event_type, occurred_at, event_id FROM events
         WHERE session_id = known.session_id AND event_type = ANY($3::text[])
         ORDER BY occurred_at DESC LIMIT $4)
    ) AS newest
) AS history
