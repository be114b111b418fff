-- What training and the snapshot read: whole tables, streamed by COPY, all inside one read-only transaction.

-- name: interactions
-- A user's history goes by user_id; that of a session joins it once the session is known to be that one user's. What
-- remains anonymous goes by session. The first letter keeps the two kinds of id apart.
WITH known AS (
    SELECT session_id, min(user_id) AS user_id
    FROM events
    WHERE user_id IS NOT NULL AND session_id IS NOT NULL AND occurred_at < $1
    GROUP BY session_id
    HAVING count(DISTINCT user_id) = 1
)
SELECT coalesce('u' || events.user_id, 'u' || known.user_id, 's' || events.session_id) AS who,
       item_id,
       event_type,
       extract(epoch FROM occurred_at)::double precision AS occurred_s,
       (received_at - occurred_at > interval '1 day')::integer AS late
FROM events
LEFT JOIN known ON events.user_id IS NULL AND known.session_id = events.session_id
WHERE occurred_at < $1 AND event_type = ANY ($2::text[])

-- name: items
-- What training is told of an item: enough to find others that are described alike.
SELECT item_id, title, categories, price, currency, tags, attributes
FROM items
WHERE NOT deleted

-- name: shelf
-- Everything that may stand on a shelf, as a snapshot shows it; the newest last for equal times by id.
SELECT item_id, title, categories, price, currency, image_url, page_url, available, expires_at, published_at, tags,
       attributes, created_at
FROM items
WHERE NOT deleted AND NOT suppressed
ORDER BY item_id

-- name: catalog_sequence
SELECT coalesce(max(change_sequence), 0) FROM items
