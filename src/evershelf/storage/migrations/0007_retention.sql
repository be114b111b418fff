-- Expand: months that were dropped stay dropped. What comes late for one is refused by the table itself, so that it ends
-- among the dead letters whichever version of the gateway ships it.
CREATE TABLE retention (
    parent     text PRIMARY KEY,                         -- a table with monthly partitions
    kept_from  timestamptz NOT NULL                      -- the first month that is kept begins here
);

CREATE OR REPLACE FUNCTION ensure_month_partitions(parent text, first timestamptz, last timestamptz) RETURNS integer
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
            IF EXISTS (SELECT FROM retention WHERE retention.parent = ensure_month_partitions.parent
                                               AND kept_from > month AT TIME ZONE 'UTC') THEN
                RAISE EXCEPTION '% of % are no longer kept', parent, to_char(month, 'YYYY-MM')
                    USING ERRCODE = 'check_violation';
            END IF;
            EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)', child, parent,
                           month AT TIME ZONE 'UTC', (month + interval '1 month') AT TIME ZONE 'UTC');
            made := made + 1;
        END IF;
        month := month + interval '1 month';
    END LOOP;
    RETURN made;
END $$;

-- What retention drops of the dead letters is found by when it came.
CREATE INDEX dead_letter_events_received ON dead_letter_events (received_at);

-- Drops the months of `parent` before `before` and returns their names; from then on nothing of them is taken any more.
CREATE FUNCTION drop_month_partitions(parent text, before timestamptz) RETURNS text[]
LANGUAGE plpgsql AS $$
DECLARE
    limit_month  timestamp := date_trunc('month', before AT TIME ZONE 'UTC');
    child        text;
    dropped      text[] := '{}';
BEGIN
    IF before > date_trunc('month', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' THEN
        RAISE EXCEPTION 'months of % before % would go, and it is % here: look at the clocks', parent, before, now();
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('evershelf.partitions.' || parent));
    INSERT INTO retention AS known VALUES (parent, limit_month AT TIME ZONE 'UTC')
    ON CONFLICT ON CONSTRAINT retention_pkey
        DO UPDATE SET kept_from = greatest(known.kept_from, excluded.kept_from);
    FOR child IN
        SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
        WHERE inhparent = to_regclass(parent) AND relname ~ '_[0-9]{4}_[0-9]{2}$'
          AND to_date(right(relname, 7), 'YYYY_MM')::timestamp < limit_month
        ORDER BY relname
    LOOP
        EXECUTE format('DROP TABLE %I', child);
        dropped := dropped || child;
    END LOOP;
    RETURN dropped;
END $$;
