-- The spool's SQLite database. Statements are run by name (spool_file.py); the one named `schema` is a script.
-- A row of parameters in brackets, (?, ?), may be repeated: many rows in one statement.

-- name: schema
-- Which ids were accepted, and a hash of what was said, so that sending twice is harmless after shipping too.
-- Rows are in order of acceptance, so that the oldest are found without an index on time.
CREATE TABLE IF NOT EXISTS remembered (
    sequence     INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id     BLOB NOT NULL UNIQUE,
    body_hash    BLOB NOT NULL,
    accepted_at  INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS pending (
    sequence  INTEGER PRIMARY KEY,
    body      BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS decisions (
    sequence  INTEGER PRIMARY KEY AUTOINCREMENT,
    body      BLOB NOT NULL
);
-- One row, moved in the transaction of what it counts; SQLite itself refuses a commit that would lose an event.
CREATE TABLE IF NOT EXISTS counts (
    one        INTEGER PRIMARY KEY CHECK (one = 1),
    accepted   INTEGER NOT NULL,
    stored     INTEGER NOT NULL,
    dead       INTEGER NOT NULL,
    pending    INTEGER NOT NULL CHECK (pending >= 0),
    decisions  INTEGER NOT NULL CHECK (decisions >= 0),
    CHECK (accepted = stored + dead + pending)
);
INSERT INTO counts VALUES (1, 0, 0, 0, 0, 0) ON CONFLICT DO NOTHING;

-- name: number_from
-- A new file begins where no earlier one has come: what was read from a file that was put aside since marks nothing here.
INSERT INTO sqlite_sequence (name, seq) SELECT :name, :first
WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = :name)

-- name: remember
INSERT INTO remembered (event_id, body_hash, accepted_at) VALUES (?, ?, ?) ON CONFLICT (event_id) DO NOTHING

-- name: newest_remembered
SELECT max(sequence) FROM remembered

-- name: recall
SELECT body_hash FROM remembered WHERE event_id = ?

-- name: add_pending
INSERT INTO pending (sequence, body) VALUES (?, ?)

-- name: read_pending
SELECT sequence, body FROM pending ORDER BY sequence LIMIT ?

-- name: read_pending_newest
SELECT sequence, body FROM pending ORDER BY sequence DESC LIMIT ?

-- name: remove_pending
DELETE FROM pending WHERE sequence IN (VALUES (?))

-- name: move_counts
-- accepted, stored, dead, pending, decisions: by how much each moves.
UPDATE counts SET accepted = accepted + ?, stored = stored + ?, dead = dead + ?, pending = pending + ?,
    decisions = decisions + ?

-- name: read_counts
SELECT accepted, stored, dead, pending, decisions,
    (SELECT accepted_at FROM remembered WHERE sequence = (SELECT min(sequence) FROM pending)) FROM counts

-- name: oldest_remembered
SELECT accepted_at FROM remembered ORDER BY sequence LIMIT 1

-- name: forget
-- The oldest rows that are past their time (?1), at most ?2, and never one whose event still waits.
DELETE FROM remembered WHERE sequence IN (SELECT sequence FROM remembered ORDER BY sequence LIMIT ?2)
    AND accepted_at < ?1
    AND sequence < coalesce((SELECT min(sequence) FROM pending), 9223372036854775807)

-- name: add_decision
INSERT INTO decisions (body) VALUES (?)

-- name: read_decisions
SELECT sequence, body FROM decisions ORDER BY sequence LIMIT ?

-- name: remove_decisions
DELETE FROM decisions WHERE sequence <= ?
