-- The registry of sources and what happened to them (requirements F21-F27).

CREATE TABLE connector.integrations (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE CHECK (name ~ '^[a-z][a-z0-9_]{0,39}$'),
    connector text NOT NULL,
    title text NOT NULL,
    status text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'connected', 'disconnected', 'error')),
    capabilities jsonb NOT NULL DEFAULT '[]',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

-- One row per distinct configuration; secrets stand here as references only.
CREATE TABLE connector.integration_configurations (
    integration_id bigint NOT NULL REFERENCES connector.integrations (id) ON DELETE CASCADE,
    version integer NOT NULL CHECK (version > 0),
    configuration jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (integration_id, version)
);

CREATE TABLE connector.integration_status_logs (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    integration_id bigint NOT NULL REFERENCES connector.integrations (id) ON DELETE CASCADE,
    status text NOT NULL CHECK (status IN ('pending', 'connected', 'disconnected', 'error')),
    detail text,
    latency_ms double precision,
    checked_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON connector.integration_status_logs (integration_id, checked_at DESC);

CREATE TABLE connector.integration_webhooks (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    integration_id bigint NOT NULL REFERENCES connector.integrations (id) ON DELETE CASCADE,
    name text NOT NULL,
    enabled boolean NOT NULL DEFAULT true,
    configuration jsonb NOT NULL DEFAULT '{}',
    UNIQUE (integration_id, name)
);

-- The same event id twice has one effect: the second INSERT finds the first (F26).
CREATE TABLE connector.integration_webhook_events (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    integration_id bigint NOT NULL REFERENCES connector.integrations (id) ON DELETE CASCADE,
    event_id text NOT NULL,
    event_type text NOT NULL,
    status text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'processing', 'processed', 'failed', 'ignored')),
    payload jsonb NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    processed_at timestamptz,
    UNIQUE (integration_id, event_id)
);

CREATE TABLE connector.integration_audit_logs (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    who text NOT NULL,
    action text NOT NULL,
    source text,
    entity text,
    detail jsonb NOT NULL DEFAULT '{}'
);

CREATE FUNCTION connector.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append-only' USING ERRCODE = 'insufficient_privilege';
END $$;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON connector.integration_audit_logs
    FOR EACH STATEMENT EXECUTE FUNCTION connector.refuse_change();
