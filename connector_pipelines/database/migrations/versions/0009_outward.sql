-- The outward direction: what stands in other systems because of us, and which rows of core changed since it was sent.

ALTER TABLE connector.sync_runs
    DROP CONSTRAINT sync_runs_kind_check,
    ADD CONSTRAINT sync_runs_kind_check
        CHECK (kind IN ('read', 'dry_run', 'replay', 'retry', 'undo', 'resolution', 'export'));

-- One row for each record that we keep up in another system: its mapping, and the book of what was sent (G54).
CREATE TABLE connector.exports (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source text NOT NULL,
    entity text NOT NULL,
    key text NOT NULL CHECK (key <> ''),
    external_id text CHECK (external_id <> ''),
    state text NOT NULL CHECK (state IN ('wanted', 'sending', 'sent', 'verified', 'failed', 'withdrawn')),
    action text CHECK (action IN ('create', 'update', 'withdraw', 'restore')),
    record jsonb NOT NULL DEFAULT '{}',
    sending jsonb,
    stands jsonb,
    refused jsonb,
    row_hash uuid,
    matched_by text,
    attempts integer NOT NULL DEFAULT 0,
    rule text,
    error text,
    again boolean NOT NULL DEFAULT false,
    plan_id bigint REFERENCES connector.sync_plans (id),
    created_at timestamptz NOT NULL DEFAULT now(),
    sent_at timestamptz,
    verified_at timestamptz,
    UNIQUE (source, entity, key),
    CHECK ((state = 'sending') = (sending IS NOT NULL)),
    CHECK (state NOT IN ('sent', 'verified', 'withdrawn') OR external_id IS NOT NULL)
) WITH (fillfactor = 80);
-- Two rows of core never keep up one record.
CREATE UNIQUE INDEX exports_external_id ON connector.exports (source, entity, external_id);
CREATE INDEX exports_sending ON connector.exports (source, entity) WHERE state = 'sending';

COMMENT ON COLUMN connector.exports.key IS 'Which row of core: "students/17", "courses/3@terms/5".';
COMMENT ON COLUMN connector.exports.state IS
    'sending: committed before the call; whoever finds it so asks what stands there before sending again.';
COMMENT ON COLUMN connector.exports.record IS 'Our fields of the record, as the other system last took them.';
COMMENT ON COLUMN connector.exports.sending IS 'What is being sent; null when nothing is.';
COMMENT ON COLUMN connector.exports.stands IS
    'What was read back, where it is not what was sent: a grade that was capped, a locked field.';
COMMENT ON COLUMN connector.exports.refused IS
    'The record that the other system did not take, or "withdraw"; it is not sent again as it is, unless "again" says so.';
COMMENT ON COLUMN connector.exports.again IS 'What failed is sent again by the next export.';
COMMENT ON COLUMN connector.exports.row_hash IS
    'Hash of the row of core, salted with the code that shapes it; a row with a known one is not even shaped.';

-- Which exports want to know of changes of a core table. Without a row here its triggers write nothing.
CREATE TABLE connector.export_watches (
    source text NOT NULL,
    export text NOT NULL,
    entity text NOT NULL,
    PRIMARY KEY (source, export, entity)
);

CREATE TABLE connector.export_outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source text NOT NULL,
    export text NOT NULL,
    entity text NOT NULL,
    internal_id bigint NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX ON connector.export_outbox (source, export);

COMMENT ON TABLE connector.export_outbox IS
    'Rows of core that changed since they were last exported, for each export that is made of them. An export removes '
    'what it saw before it began.';

-- Writing core needs no right on these tables.
CREATE FUNCTION connector.note_exports() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    INSERT INTO connector.export_outbox (source, export, entity, internal_id)
    SELECT w.source, w.export, w.entity, n.id
    FROM connector.export_watches w CROSS JOIN changed n WHERE w.entity = TG_TABLE_NAME;
    RETURN NULL;
END $$;

-- Gives the tables of core that some export is made of their triggers, and takes them from the others: collecting the
-- rows of a statement costs a tenth of a large insert, whether or not anybody wants them.
CREATE FUNCTION connector.follow_watches() RETURNS void LANGUAGE plpgsql AS $$
DECLARE entity name; watched boolean;
BEGIN
    FOR entity, watched IN
        SELECT t.relname, w.entity IS NOT NULL
        FROM pg_class t LEFT JOIN (SELECT DISTINCT x.entity FROM connector.export_watches x) w ON w.entity = t.relname
        WHERE t.relnamespace = 'core'::regnamespace AND t.relkind = 'r' AND (w.entity IS NOT NULL) <> EXISTS (
            SELECT FROM pg_trigger g WHERE g.tgrelid = t.oid AND g.tgname = 'note_new_exports')
    LOOP
        IF watched THEN
            EXECUTE format('CREATE TRIGGER note_new_exports AFTER INSERT ON core.%I REFERENCING NEW TABLE AS changed '
                'FOR EACH STATEMENT EXECUTE FUNCTION connector.note_exports()', entity);
            EXECUTE format('CREATE TRIGGER note_changed_exports AFTER UPDATE ON core.%I REFERENCING NEW TABLE AS changed '
                'FOR EACH STATEMENT EXECUTE FUNCTION connector.note_exports()', entity);
        ELSE
            EXECUTE format('DROP TRIGGER note_new_exports ON core.%I', entity);
            EXECUTE format('DROP TRIGGER note_changed_exports ON core.%I', entity);
        END IF;
    END LOOP;
END $$;
