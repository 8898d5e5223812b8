-- The mapping layer and the records of every sync. Staged rows and plans lie in `staging`, unlogged: they can be made
-- again from the landed pages. What was decided and what was written is here, logged.
CREATE SCHEMA staging;

-- One partition per source, named <source>_mappings, with the unique constraint and the reverse index of G11-G13.
-- internal_id is null for a record that is known but not in core: it waits (pending) or was refused (error).
CREATE TABLE connector.external_system_mappings (
    connector_id text NOT NULL,
    entity_type text NOT NULL CHECK (entity_type IN (
        'organizations', 'terms', 'courses', 'sections', 'students', 'instructors', 'enrollments', 'teaching_assignments'
    )),
    external_id varchar NOT NULL CHECK (external_id <> ''),
    internal_id bigint,
    sync_status text NOT NULL CHECK (sync_status IN ('pending', 'synced', 'error')),
    sync_version integer NOT NULL DEFAULT 0,
    last_synced_at timestamptz,
    absent_since timestamptz,
    row_hash uuid,
    error_message text,
    sync_metadata jsonb NOT NULL DEFAULT '{}',
    CHECK (internal_id IS NOT NULL OR sync_status <> 'synced')
) PARTITION BY LIST (connector_id);

COMMENT ON COLUMN connector.external_system_mappings.absent_since IS
    'Set when a complete full read no longer contained the record; cleared when it comes back. No drop by itself.';
COMMENT ON COLUMN connector.external_system_mappings.row_hash IS
    'Hash of the external values that core holds; a row with the same hash costs nothing.';

-- One pass over a source's entity: read, landed, staged. Its id names the landed folder and the staging table.
CREATE TABLE connector.sync_runs (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source text NOT NULL,
    entity text NOT NULL,
    state text NOT NULL DEFAULT 'reading' CHECK (state IN ('reading', 'read', 'failed')),
    launched_by text NOT NULL DEFAULT 'command line',
    since timestamptz,
    until timestamptz,
    started_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    pages integer NOT NULL DEFAULT 0,
    rows bigint NOT NULL DEFAULT 0,
    staged bigint NOT NULL DEFAULT 0,
    rejected bigint NOT NULL DEFAULT 0,
    skipped jsonb NOT NULL DEFAULT '{}',
    complete boolean NOT NULL DEFAULT false,
    snapshot boolean NOT NULL DEFAULT false,
    error_category text,
    error text
);
CREATE INDEX ON connector.sync_runs (source, entity, id DESC);

CREATE TABLE connector.sync_plans (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id bigint NOT NULL REFERENCES connector.sync_runs (id),
    source text NOT NULL,
    entity text NOT NULL,
    state text NOT NULL CHECK (state IN ('planned', 'accepted', 'held', 'applied', 'superseded', 'refused')),
    hash text NOT NULL,
    counts jsonb NOT NULL,
    reasons jsonb NOT NULL DEFAULT '[]',
    chunk_rows integer NOT NULL CHECK (chunk_rows > 0),
    chunks integer NOT NULL,
    applied_chunks integer NOT NULL DEFAULT 0 CHECK (applied_chunks <= chunks),
    created_at timestamptz NOT NULL DEFAULT now(),
    decided_at timestamptz,
    decided_by text,
    applied_at timestamptz
);
CREATE INDEX ON connector.sync_plans (source, entity, id DESC);
CREATE INDEX ON connector.sync_plans (entity, state) WHERE state IN ('accepted', 'held');

-- Values before and after of every field a plan changed, written in the transaction that changed it.
CREATE TABLE connector.sync_changes (
    plan_id bigint NOT NULL REFERENCES connector.sync_plans (id),
    internal_id bigint NOT NULL,
    external_id varchar NOT NULL,
    changes jsonb NOT NULL,
    PRIMARY KEY (plan_id, internal_id)
);

CREATE TABLE connector.sync_receipts (
    plan_id bigint PRIMARY KEY REFERENCES connector.sync_plans (id),
    source text NOT NULL,
    entity text NOT NULL,
    counts jsonb NOT NULL,
    planned_checksum numeric NOT NULL,
    core_checksum numeric NOT NULL,
    differences jsonb NOT NULL DEFAULT '[]',
    verified boolean NOT NULL,
    seconds double precision NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- Append-only: the newest row counts, an older one is never overwritten (P2, P3).
CREATE TABLE connector.sync_cursors (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source text NOT NULL,
    entity text NOT NULL,
    cursor timestamptz NOT NULL,
    plan_id bigint NOT NULL REFERENCES connector.sync_plans (id),
    at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON connector.sync_cursors (source, entity, id DESC);

CREATE TABLE connector.dead_letters (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source text NOT NULL,
    entity text NOT NULL,
    external_id varchar,
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'waiting', 'resolved')),
    rule text NOT NULL,
    reason text NOT NULL,
    payload text,
    staged jsonb,
    waits_for jsonb,
    first_run_id bigint NOT NULL REFERENCES connector.sync_runs (id),
    last_run_id bigint NOT NULL REFERENCES connector.sync_runs (id),
    page integer,
    row integer,
    attempts integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN connector.dead_letters.payload IS 'The raw record as it came, as JSON text.';
COMMENT ON COLUMN connector.dead_letters.staged IS 'The validated row, kept for one that waits for its parents.';
COMMENT ON COLUMN connector.dead_letters.waits_for IS 'The references that could not be resolved: [[entity, external id], …].';
CREATE UNIQUE INDEX dead_letters_unsettled ON connector.dead_letters
    (source, entity, coalesce(external_id, ''), md5(coalesce(payload, staged::text, ''))) WHERE state <> 'resolved';
