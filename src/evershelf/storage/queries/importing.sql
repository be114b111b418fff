-- Bulk import: staged rows lie in temporary tables of one connection and reach the real tables in one transaction.

-- name: create_staging
-- Nothing here outlives the connection, so a broken file leaves no trace. `occurred_us`: microseconds since 1970, UTC.
-- `identity`: what tells rows apart beyond the columns of an event. `position`: of equal ids the last one wins.
CREATE TEMPORARY TABLE staged_events (
    event_id text, occurred_us bigint, user_id text, session_id text, item_id text, event_type text,
    value double precision, identity text
);
CREATE TEMPORARY TABLE staged_items (
    position bigint GENERATED ALWAYS AS IDENTITY, item_id text, title text, categories text[], price bigint,
    currency text, image_url text, page_url text, available boolean, expires_at timestamptz, published_at timestamptz,
    tags text[], attributes jsonb
);
CREATE TEMPORARY TABLE staged_users (
    position bigint GENERATED ALWAYS AS IDENTITY, user_id text, attributes jsonb
);

-- name: ensure_event_month
SELECT ensure_month_partitions('events', $1, $1);

-- name: count_event_pages
SELECT (pg_relation_size('pg_temp.staged_events') / current_setting('block_size')::bigint)::bigint;

-- name: store_event_pages
-- The pages [$1, $2) of the staging table. An event without an id gets one made of its content, so that importing
-- the same file again finds every row already there. In order of time a slice fills one partition after the other,
-- which makes storing twice as fast.
INSERT INTO events (event_id, occurred_at, user_id, session_id, item_id, event_type, value)
SELECT
    CASE WHEN event_id IS NOT NULL THEN event_id::uuid ELSE md5(concat_ws(E'\x1f',
        coalesce(user_id, ''), coalesce(session_id, ''), item_id, event_type, occurred_us::text,
        coalesce(value::text, ''), coalesce(identity, '')))::uuid END,
    timestamptz 'epoch' + occurred_us * interval '1 microsecond',
    user_id, session_id, item_id, event_type, value
FROM staged_events
WHERE ctid >= format('(%s,0)', $1::bigint)::tid AND ctid < format('(%s,0)', $2::bigint)::tid
ORDER BY occurred_us
ON CONFLICT DO NOTHING;

-- name: lock_items
-- The same lock as the table's own trigger, taken before the merge below looks at what is stored.
SELECT pg_advisory_xact_lock(hashtext('evershelf.items'));

-- name: store_items
-- $1 names the columns the file speaks of; the others keep what is stored. Unchanged items are not touched, so their
-- place in the change sequence stays. An imported item that had been deleted is back.
WITH latest AS (
    SELECT DISTINCT ON (item_id) * FROM staged_items ORDER BY item_id, position DESC
), merged AS (
    SELECT
        n.item_id,
        CASE WHEN o.item_id IS NULL OR 'title' = ANY ($1::text[]) THEN coalesce(n.title, '') ELSE o.title END AS title,
        CASE WHEN o.item_id IS NULL OR 'categories' = ANY ($1) THEN coalesce(n.categories, '{}') ELSE o.categories END
            AS categories,
        CASE WHEN o.item_id IS NULL OR 'price' = ANY ($1) THEN n.price ELSE o.price END AS price,
        CASE WHEN o.item_id IS NULL OR 'currency' = ANY ($1) THEN n.currency ELSE o.currency END AS currency,
        CASE WHEN o.item_id IS NULL OR 'image_url' = ANY ($1) THEN n.image_url ELSE o.image_url END AS image_url,
        CASE WHEN o.item_id IS NULL OR 'page_url' = ANY ($1) THEN n.page_url ELSE o.page_url END AS page_url,
        CASE WHEN o.item_id IS NULL OR 'available' = ANY ($1) THEN coalesce(n.available, true) ELSE o.available END
            AS available,
        CASE WHEN o.item_id IS NULL OR 'expires_at' = ANY ($1) THEN n.expires_at ELSE o.expires_at END AS expires_at,
        CASE WHEN o.item_id IS NULL OR 'published_at' = ANY ($1) THEN n.published_at ELSE o.published_at END
            AS published_at,
        CASE WHEN o.item_id IS NULL OR 'tags' = ANY ($1) THEN coalesce(n.tags, '{}') ELSE o.tags END AS tags,
        CASE WHEN o.item_id IS NULL OR 'attributes' = ANY ($1) THEN coalesce(n.attributes, '{}') ELSE o.attributes END
            AS attributes
    FROM latest n LEFT JOIN items o USING (item_id)
), stored AS (
    INSERT INTO items AS o (item_id, title, categories, price, currency, image_url, page_url, available, expires_at,
                            published_at, tags, attributes)
    SELECT * FROM merged
    ON CONFLICT (item_id) DO UPDATE SET
        (title, categories, price, currency, image_url, page_url, available, expires_at, published_at, tags,
         attributes, deleted)
        = (excluded.title, excluded.categories, excluded.price, excluded.currency, excluded.image_url,
           excluded.page_url, excluded.available, excluded.expires_at, excluded.published_at, excluded.tags,
           excluded.attributes, false)
    WHERE (o.title, o.categories, o.price, o.currency, o.image_url, o.page_url, o.available, o.expires_at,
           o.published_at, o.tags, o.attributes, o.deleted)
        IS DISTINCT FROM
          (excluded.title, excluded.categories, excluded.price, excluded.currency, excluded.image_url,
           excluded.page_url, excluded.available, excluded.expires_at, excluded.published_at, excluded.tags,
           excluded.attributes, false)
    RETURNING xmax = 0 AS is_new
)
SELECT count(*) FILTER (WHERE is_new) AS inserted, count(*) FILTER (WHERE NOT is_new) AS updated FROM stored;

-- name: store_items_of_events
-- For data without a catalogue: an item for every id that events speak of.
INSERT INTO items (item_id)
SELECT DISTINCT item_id FROM staged_events s WHERE NOT EXISTS (SELECT FROM items i WHERE i.item_id = s.item_id)
ON CONFLICT DO NOTHING;

-- name: store_users
-- $1 says whether the file speaks of attributes.
WITH latest AS (
    SELECT DISTINCT ON (user_id) * FROM staged_users ORDER BY user_id, position DESC
), stored AS (
    INSERT INTO users AS o (user_id, attributes)
    SELECT user_id, coalesce(attributes, '{}') FROM latest
    ON CONFLICT (user_id) DO UPDATE SET attributes = excluded.attributes, updated_at = now()
    WHERE $1::boolean AND o.attributes IS DISTINCT FROM excluded.attributes
    RETURNING xmax = 0 AS is_new
)
SELECT count(*) FILTER (WHERE is_new) AS inserted, count(*) FILTER (WHERE NOT is_new) AS updated FROM stored;

-- name: analyze
ANALYZE events, items, users;
