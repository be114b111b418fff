-- The first schema: system of record for items, users, events, decisions, placements, keys and audit.
-- Times are UTC. Text ids come from callers and are bounded by the API (contracts/identifiers.py).

-- Items -------------------------------------------------------------------------------------------------------------
CREATE SEQUENCE item_change_sequence;

CREATE TABLE items (
    item_id          text PRIMARY KEY CHECK (length(item_id) BETWEEN 1 AND 128),
    title            text NOT NULL DEFAULT '',
    categories       text[] NOT NULL DEFAULT '{}',
    price            bigint CHECK (price >= 0),          -- minor units of `currency`
    currency         text CHECK (currency ~ '^[A-Z]{3}$'),
    image_url        text,
    page_url         text,
    available        boolean NOT NULL DEFAULT true,
    expires_at       timestamptz,
    published_at     timestamptz,
    tags             text[] NOT NULL DEFAULT '{}',
    attributes       jsonb NOT NULL DEFAULT '{}',
    suppressed       boolean NOT NULL DEFAULT false,     -- set by an operator, survives the owner's updates
    deleted          boolean NOT NULL DEFAULT false,     -- a tombstone, so that followers of the sequence see the removal
    created_at       timestamptz NOT NULL DEFAULT now(),
    updated_at       timestamptz NOT NULL DEFAULT now(),
    change_sequence  bigint NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX items_change_sequence ON items (change_sequence);

-- A follower reads "everything above N". That is only right if sequence numbers become visible in their order, so
-- writers of items take turns: the lock is held until commit, and only then does the next writer draw a number.
CREATE FUNCTION items_take_turn() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('evershelf.items'));
    RETURN NULL;
END $$;
CREATE TRIGGER items_take_turn BEFORE INSERT OR UPDATE OR DELETE ON items
    FOR EACH STATEMENT EXECUTE FUNCTION items_take_turn();

CREATE FUNCTION items_draw_number() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.change_sequence := nextval('item_change_sequence');
    NEW.updated_at := now();
    RETURN NEW;
END $$;
CREATE TRIGGER items_draw_number BEFORE INSERT OR UPDATE ON items
    FOR EACH ROW EXECUTE FUNCTION items_draw_number();

CREATE FUNCTION items_tell() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('evershelf_items', '');
    RETURN NULL;
END $$;
CREATE TRIGGER items_tell AFTER INSERT OR UPDATE OR DELETE ON items
    FOR EACH STATEMENT EXECUTE FUNCTION items_tell();

-- Users -------------------------------------------------------------------------------------------------------------
CREATE TABLE users (
    user_id     text PRIMARY KEY CHECK (length(user_id) BETWEEN 1 AND 128),
    attributes  jsonb NOT NULL DEFAULT '{}',
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now()
);

-- Events ------------------------------------------------------------------------------------------------------------
-- One partition a month of occurred_at, made on demand by ensure_month_partitions. The key makes storing idempotent.
CREATE TABLE events (
    event_id           uuid NOT NULL,
    occurred_at        timestamptz NOT NULL,
    received_at        timestamptz NOT NULL DEFAULT now(),
    user_id            text,
    session_id         text,
    item_id            text NOT NULL,
    event_type         text NOT NULL,
    value              double precision,
    placement          text,
    recommendation_id  uuid,
    PRIMARY KEY (event_id, occurred_at),
    CHECK (user_id IS NOT NULL OR session_id IS NOT NULL)
) PARTITION BY RANGE (occurred_at);
CREATE INDEX events_user ON events (user_id, occurred_at DESC) WHERE user_id IS NOT NULL;
CREATE INDEX events_session ON events (session_id, occurred_at DESC) WHERE session_id IS NOT NULL;

CREATE TABLE dead_letter_events (
    dead_letter_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id        uuid,
    body            text NOT NULL,                      -- as received: it need not be valid JSON
    reason          text NOT NULL,
    attempts        integer NOT NULL DEFAULT 1,
    received_at     timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX dead_letter_events_once ON dead_letter_events (event_id, reason) WHERE event_id IS NOT NULL;

-- Counters move in the same transaction as the events they count.
CREATE TABLE event_counters (
    name   text PRIMARY KEY,
    count  bigint NOT NULL DEFAULT 0
);

-- Serving -----------------------------------------------------------------------------------------------------------
CREATE TABLE placements (
    name        text PRIMARY KEY,
    definition  jsonb NOT NULL,                         -- contracts.placements.Placement
    updated_at  timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE decisions (
    recommendation_id  uuid NOT NULL,
    decided_at         timestamptz NOT NULL,
    placement          text NOT NULL,
    user_id            text,
    session_id         text,
    source             text NOT NULL,
    reason             text NOT NULL,
    degraded           boolean NOT NULL,
    model_version      text,
    snapshot_version   text NOT NULL,
    item_ids           text[] NOT NULL,
    record             jsonb NOT NULL,                  -- attempts, scores, sources, timing
    PRIMARY KEY (recommendation_id, decided_at)
) PARTITION BY RANGE (decided_at);
CREATE INDEX decisions_user ON decisions (user_id, decided_at DESC) WHERE user_id IS NOT NULL;

CREATE TABLE api_keys (
    key_id      text PRIMARY KEY,
    name        text NOT NULL,
    digest      text NOT NULL,
    scopes      text[] NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    revoked_at  timestamptz
);

CREATE TABLE audit_log (
    audit_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at          timestamptz NOT NULL DEFAULT now(),
    actor       text NOT NULL,
    action      text NOT NULL,
    subject     text NOT NULL,
    detail      jsonb NOT NULL DEFAULT '{}'
);

-- Partitions --------------------------------------------------------------------------------------------------------
-- Makes the monthly partitions of `parent` that cover [first, last]; safe to call by several at once.
CREATE FUNCTION ensure_month_partitions(parent text, first timestamptz, last timestamptz) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    month  timestamp := date_trunc('month', first AT TIME ZONE 'UTC');
    made   integer := 0;
    child  text;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('evershelf.partitions.' || parent));
    WHILE month <= last AT TIME ZONE 'UTC' LOOP
        child := parent || '_' || to_char(month, 'YYYY_MM');
        IF to_regclass(child) IS NULL THEN
            EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)', child, parent,
                           month AT TIME ZONE 'UTC', (month + interval '1 month') AT TIME ZONE 'UTC');
            made := made + 1;
        END IF;
        month := month + interval '1 month';
    END LOOP;
    RETURN made;
END $$;
