-- name: current_version
-- The version that the database is at. Fails with undefined_table on an empty database.
SELECT version_num FROM alembic_version

-- name: take_turn
-- Migrators take turns: the second one waits here until the first has committed, and then finds nothing to do.
SELECT pg_advisory_xact_lock(hashtext('evershelf.migrations'))

-- name: limit_transaction
-- $1: lock timeout, $2: statement timeout, both in milliseconds as text; they end with the transaction.
SELECT set_config('lock_timeout', $1, true), set_config('statement_timeout', $2, true)
