-- Who edited core, and what nobody could decide alone.

-- One row for every fed column that anybody but a sync changed. It is open until a plan writes the field, or finds that
-- the source says the same by now.
CREATE TABLE connector.core_edits (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    entity text NOT NULL,
    internal_id bigint NOT NULL,
    field text NOT NULL,
    before jsonb NOT NULL,
    after jsonb NOT NULL,
    edited_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    edited_by text NOT NULL,
    settled_by bigint REFERENCES connector.sync_plans (id)
);
CREATE INDEX ON connector.core_edits (entity, internal_id, field);
CREATE INDEX core_edits_open ON connector.core_edits (entity, internal_id) WHERE settled_by IS NULL;

COMMENT ON COLUMN connector.core_edits.edited_by IS
    'What the editor set as connector_pipelines.editor, else the database role.';

-- The record's hashes are forgotten with the edit, so that the next read of it looks at the row again.
-- Writing needs no right on these tables: whoever may edit core leaves a trace.
CREATE FUNCTION connector.note_edits() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    WITH was AS MATERIALIZED (SELECT id, to_jsonb(old_rows) AS fields FROM old_rows),  -- once a row, not once a field
    became AS MATERIALIZED (SELECT id, to_jsonb(new_rows) AS fields FROM new_rows),
    edited AS (
        INSERT INTO connector.core_edits (entity, internal_id, field, before, after, edited_by)
        SELECT TG_TABLE_NAME, id, name, was.fields -> name, became.fields -> name,
            coalesce(nullif(current_setting('connector_pipelines.editor', true), ''), session_user)
        FROM was JOIN became USING (id) CROSS JOIN unnest(TG_ARGV) name
        WHERE was.fields -> name <> became.fields -> name
        RETURNING internal_id
    )
    UPDATE connector.external_system_mappings m SET row_hash = NULL, fingerprint = NULL
    FROM (SELECT DISTINCT internal_id FROM edited) e
    WHERE m.entity_type = TG_TABLE_NAME AND m.internal_id = e.internal_id;
    RETURN NULL;
END $$;

-- Every column but core's own is fed; a test compares the triggers with the models.
CREATE FUNCTION connector.watch_edits(entity text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE (
        SELECT format(
            'CREATE TRIGGER note_edits AFTER UPDATE ON core.%I REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows '
            'FOR EACH STATEMENT WHEN (current_setting(''connector_pipelines.applying'', true) IS DISTINCT FROM ''on'') '
            'EXECUTE FUNCTION connector.note_edits(%s)',
            entity, string_agg(quote_literal(column_name), ', ' ORDER BY ordinal_position))
        FROM information_schema.columns
        WHERE table_schema = 'core' AND table_name = entity
            AND column_name NOT IN ('id', 'notes', 'created_at', 'updated_at')
    );
END $$;

SELECT connector.watch_edits(tablename) FROM pg_tables WHERE schemaname = 'core';

-- A field that core and the source changed both, where the rule leaves it to a person. Core keeps its value meanwhile.
CREATE TABLE connector.conflicts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source text NOT NULL,
    entity text NOT NULL,
    external_id varchar NOT NULL,
    internal_id bigint NOT NULL,
    field text NOT NULL,
    core_value jsonb NOT NULL,
    source_value jsonb NOT NULL,
    edited_at timestamptz,
    edited_by text,
    modified_at timestamptz,
    reason text NOT NULL,
    version integer NOT NULL DEFAULT 1,
    plan_id bigint NOT NULL REFERENCES connector.sync_plans (id),
    run_id bigint NOT NULL REFERENCES connector.sync_runs (id),
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'resolved')),
    decision text CHECK (decision IN ('core', 'source', 'value', 'agreed', 'rule')),
    decided_by text,
    decided_at timestamptz,
    why text,
    settled_by bigint REFERENCES connector.sync_plans (id),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CHECK ((state = 'resolved') = (decision IS NOT NULL AND decided_by IS NOT NULL AND decided_at IS NOT NULL))
);
CREATE UNIQUE INDEX conflicts_open ON connector.conflicts (source, entity, internal_id, field) WHERE state = 'open';
CREATE INDEX ON connector.conflicts (entity, internal_id);

COMMENT ON COLUMN connector.conflicts.decision IS
    'core, source, value: what a person decided. agreed: both sides say the same by now. rule: the rule of the field '
    'decides by now.';
COMMENT ON COLUMN connector.conflicts.version IS
    'Counts the forms it had; a decision names the one that was looked at.';
COMMENT ON COLUMN connector.conflicts.plan_id IS 'The plan that found it, or saw it last in another form.';
COMMENT ON COLUMN connector.conflicts.settled_by IS 'The plan that wrote the decision, or found it unnecessary.';
