-- name: take_turn
-- The lock of the trigger items_take_turn, taken before the statement that compares: what it sees is then final.
SELECT pg_advisory_xact_lock(hashtext('evershelf.items'))

-- name: upsert
-- Writes only rows that differ, so that an import of the same file tells followers nothing. MERGE fires the triggers
-- of what it really does; ON CONFLICT would draw a change number for the insert and another for the update.
MERGE INTO items USING jsonb_to_recordset($1) AS given (
    item_id text, title text, categories text[], price bigint, currency text, image_url text, page_url text,
    available boolean, expires_at timestamptz, published_at timestamptz, tags text[], attributes jsonb
) ON items.item_id = given.item_id
WHEN MATCHED AND (
    items.title, items.categories, items.price, items.currency, items.image_url, items.page_url, items.available,
    items.expires_at, items.published_at, items.tags, items.attributes, items.deleted
) IS DISTINCT FROM (
    given.title, given.categories, given.price, given.currency, given.image_url, given.page_url, given.available,
    given.expires_at, given.published_at, given.tags, given.attributes, false
) THEN UPDATE SET
    title = given.title, categories = given.categories, price = given.price, currency = given.currency,
    image_url = given.image_url, page_url = given.page_url, available = given.available,
    expires_at = given.expires_at, published_at = given.published_at, tags = given.tags,
    attributes = given.attributes, deleted = false
WHEN NOT MATCHED THEN INSERT (
    item_id, title, categories, price, currency, image_url, page_url, available, expires_at, published_at, tags, attributes
) VALUES (
    given.item_id, given.title, given.categories, given.price, given.currency, given.image_url, given.page_url,
    given.available, given.expires_at, given.published_at, given.tags, given.attributes
)

-- name: get
SELECT * FROM items WHERE item_id = $1 AND NOT deleted

-- name: list
-- A page above the id $1, at most $2: by key, so that page 1,000 costs what page 1 costs.
SELECT * FROM items WHERE item_id > $1 AND NOT deleted ORDER BY item_id LIMIT $2

-- name: delete
-- A tombstone: followers of the change sequence must see that the item went.
UPDATE items SET deleted = true WHERE item_id = $1 AND NOT deleted

-- name: set_suppressed
UPDATE items SET suppressed = $2 WHERE item_id = $1 AND NOT deleted AND suppressed <> $2

-- name: changes_since
-- Tombstones too. Complete up to its last row, because writers of items take turns.
SELECT * FROM items WHERE change_sequence > $1 ORDER BY change_sequence LIMIT $2
