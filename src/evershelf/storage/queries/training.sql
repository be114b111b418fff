-- What training and the snapshot read: whole tables, streamed by COPY, all inside one read-only transaction.

-- name: interactions
-- A user's history goes by user_id, else by session; the first letter keeps the two kinds of id apart.
SELECT CASE WHEN user_id IS NULL THEN 's' || session_id ELSE 'u' || user_id END AS who,
       item_id,
       event_type,
       extract(epoch FROM occurred_at)::double precision AS occurred_s,
       (received_at - occurred_at > interval '1 day')::integer AS late
FROM events
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
