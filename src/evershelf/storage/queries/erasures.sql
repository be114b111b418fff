-- name: take_turn
-- Whoever stores events waits until the erasure is committed, and then sees it; whoever stores decisions, too.
SELECT pg_advisory_xact_lock(hashtext('evershelf.events')), pg_advisory_xact_lock(hashtext('evershelf.erasures'))

-- name: lock_decisions
LOCK TABLE decisions IN SHARE ROW EXCLUSIVE MODE

-- name: sessions
SELECT session_id FROM events WHERE user_id = $1 AND session_id IS NOT NULL
UNION
SELECT session_id FROM decisions WHERE user_id = $1 AND session_id IS NOT NULL

-- name: record
-- $1 the erasure's id, $2 the user, $3 the sessions, $4 the time.
INSERT INTO erasures (erasure_id, digest, erased_at)
SELECT $1::uuid, erasure_digest('user', $2::text), $4::timestamptz
UNION ALL
SELECT $1::uuid, erasure_digest('session', session_id), $4::timestamptz FROM unnest($3::text[]) AS session_id

-- name: events
-- $1 the user, $2 the sessions: also what these did before it was known whose they are.
DELETE FROM events WHERE user_id = $1 OR (session_id = ANY($2::text[]) AND user_id IS NULL)

-- name: decisions
DELETE FROM decisions WHERE user_id = $1 OR (session_id = ANY($2::text[]) AND user_id IS NULL)

-- name: dead_letters
-- What could not be stored need not be JSON: a body that quotes the id is emptied; its reason and id stay.
UPDATE dead_letter_events SET body = '', reason = 'erased' || left(md5(dead_letter_id::text), 8)
WHERE EXISTS (SELECT FROM unnest($1::text[]) AS quoted WHERE strpos(body, quoted) > 0 OR strpos(reason, quoted) > 0)

-- name: tell
SELECT pg_notify('evershelf_items', '')

-- name: since
SELECT sequence, digest, erased_at FROM erasures WHERE sequence > $1 ORDER BY sequence LIMIT $2

-- name: salt
SELECT salt FROM erasure_salt

-- name: restore
-- Erasures that another copy remembers and this one does not.
INSERT INTO erasures (erasure_id, digest, erased_at)
SELECT gen_random_uuid(), digest, erased_at FROM unnest($1::bytea[], $2::timestamptz[]) AS kept (digest, erased_at)
WHERE NOT EXISTS (SELECT FROM erasures WHERE erasures.digest = kept.digest AND erasures.erased_at >= kept.erased_at)

-- name: reapply_events
DELETE FROM events WHERE is_erased(user_id, session_id, occurred_at)

-- name: reapply_decisions
DELETE FROM decisions WHERE is_erased(user_id, session_id, decided_at)

-- name: reapply_users
DELETE FROM users WHERE is_erased(user_id, NULL, updated_at)

-- name: reapply_dead_letters
-- Whatever stands between two quotation marks may be an id as JSON writes it; the body around it need not be JSON. No id
-- holds a control character: two of them stand for what is escaped while the text is split.
UPDATE dead_letter_events SET body = '', reason = 'erased' || left(md5(dead_letter_id::text), 8)
WHERE EXISTS (
    SELECT FROM string_to_table(replace(replace(body || reason, '\\', E'\x02'), '\"', E'\x01'), '"') AS quoted
    CROSS JOIN LATERAL translate(quoted, E'\x01\x02', '"\') AS name
    JOIN erasures ON digest IN (erasure_digest('user', name), erasure_digest('session', name))
    WHERE erased_at >= received_at
)
