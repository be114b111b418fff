-- name: drop_months
SELECT drop_month_partitions($1, $2)

-- name: make_ahead
SELECT ensure_month_partitions($1, now(), now() + interval '1 month')

-- name: drop_dead_letters
-- At most $2 that came before $1.
DELETE FROM dead_letter_events WHERE dead_letter_id IN (
    SELECT dead_letter_id FROM dead_letter_events WHERE received_at < $1 LIMIT $2
)

-- name: sizes
-- What each table and its partitions take on disk, indexes included.
SELECT parent, sum(pg_total_relation_size(relid))::bigint AS size_bytes
FROM unnest($1::text[]) AS parent CROSS JOIN LATERAL pg_partition_tree(to_regclass(parent))
GROUP BY parent
