-- Expand: erased persons, by the hash of their id, so that nothing of them comes back: not from a spool, not from a
-- sender that was offline, not with a restored backup. The salt keeps tables of known hashes from being of any use.
CREATE TABLE erasure_salt (
    only_one  boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    salt      bytea NOT NULL
);
INSERT INTO erasure_salt (salt) VALUES (decode(replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex'));

CREATE TABLE erasures (
    sequence    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    erasure_id  uuid NOT NULL,
    digest      bytea NOT NULL,                          -- of a user, or of a session that was the user's
    erased_at   timestamptz NOT NULL
);
CREATE INDEX erasures_digest ON erasures (digest);
CREATE INDEX decisions_session ON decisions (session_id) WHERE session_id IS NOT NULL;

CREATE FUNCTION erasure_digest(kind text, id text) RETURNS bytea LANGUAGE sql STABLE AS $$
    SELECT sha256((SELECT salt FROM erasure_salt) || convert_to(kind || ':' || id, 'UTF8'))
$$;

-- Whether what happened at this time was erased: that of the user, and what a nameless session of the user's did.
CREATE FUNCTION is_erased(of_user text, of_session text, at timestamptz) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM erasures WHERE digest = erasure_digest('user', of_user) AND erased_at >= at)
        OR (of_user IS NULL
            AND EXISTS (SELECT FROM erasures WHERE digest = erasure_digest('session', of_session) AND erased_at >= at))
$$;
