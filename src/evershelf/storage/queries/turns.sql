-- name: take
-- At once, without waiting; held by the session.
SELECT pg_try_advisory_lock(hashtext('evershelf.turns.' || $1))
