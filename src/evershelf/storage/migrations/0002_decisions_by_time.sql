-- Decisions are searched by time: the newest of all, where no user is named.
CREATE INDEX decisions_time ON decisions (decided_at DESC);

-- Users are searched by a prefix of their id, whatever the database's collation.
CREATE INDEX users_by_bytes ON users (user_id COLLATE "C");
