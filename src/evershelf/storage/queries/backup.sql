-- name: begin
-- One view of all tables, however long the copying takes.
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY

-- name: limit_statements
-- $1: how long one statement may take, in milliseconds as text; ends with the transaction.
SELECT set_config('statement_timeout', $1, true), set_config('idle_in_transaction_session_timeout', $1, true)

-- name: columns
-- Of the table $1, in their order.
SELECT column_name FROM information_schema.columns
WHERE table_schema = current_schema() AND table_name = $1 AND is_generated = 'NEVER'
ORDER BY ordinal_position

-- name: months
-- The first day of each monthly partition of the table $1.
SELECT to_date(right(child.relname, 7), 'YYYY_MM') AS month
FROM pg_inherits JOIN pg_class AS child ON child.oid = inhrelid
WHERE inhparent = to_regclass($1) AND child.relname ~ '_[0-9]{4}_[0-9]{2}$'
ORDER BY month

-- name: ensure_months
SELECT ensure_month_partitions($1, month::timestamp AT TIME ZONE 'UTC', month::timestamp AT TIME ZONE 'UTC')
FROM unnest($2::date[]) AS month

-- name: holds_data
-- Whether an installation lives here already, of whatever schema. Placements stand in every new database; who changed
-- one, or erased somebody, stands in the audit log.
SELECT EXISTS (SELECT FROM items) OR EXISTS (SELECT FROM events) OR EXISTS (SELECT FROM users)
    OR EXISTS (SELECT FROM decisions) OR EXISTS (SELECT FROM api_keys) OR EXISTS (SELECT FROM dead_letter_events)
    OR EXISTS (SELECT FROM audit_log)

-- name: empty
TRUNCATE items, users, events, dead_letter_events, event_counters, placements, decisions, api_keys, audit_log,
    erasure_salt, erasures, retention

-- name: quiet_items
-- What is restored keeps its numbers, and is told to nobody row by row.
ALTER TABLE items DISABLE TRIGGER USER

-- name: wake_items
ALTER TABLE items ENABLE TRIGGER USER

-- name: go_on_counting
-- The sequences go on above what was restored. Items and erasures get room besides: followers may have seen numbers that
-- were drawn after the backup, and must see what changes from now on.
SELECT setval('item_change_sequence',
              greatest((SELECT coalesce(max(change_sequence), 0) FROM items), nextval('item_change_sequence')) + 1000000),
       setval(pg_get_serial_sequence('audit_log', 'audit_id'), (SELECT coalesce(max(audit_id), 0) + 1 FROM audit_log)),
       setval(pg_get_serial_sequence('dead_letter_events', 'dead_letter_id'),
              (SELECT coalesce(max(dead_letter_id), 0) + 1 FROM dead_letter_events)),
       setval(pg_get_serial_sequence('erasures', 'sequence'),
              greatest((SELECT coalesce(max(sequence), 0) FROM erasures),
                       nextval(pg_get_serial_sequence('erasures', 'sequence'))) + 1000000)

-- name: renumber_items
-- Every item draws a new number, so that gateways that were running before the restore follow.
UPDATE items SET change_sequence = nextval('item_change_sequence')

-- name: known_erasures
-- With the salt, which tells whether they are of the same installation.
SELECT sequence, digest, erased_at, salt FROM erasures CROSS JOIN erasure_salt
