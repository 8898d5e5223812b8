-- Whose a source is, and that other roles of the database see nothing of another tenant's sources (F34, E37, K25).
-- The service owns the tables and is not bound by this; a role that only looks says whose it is for each transaction:
-- SET LOCAL app.tenant = 'acme'. Who says nothing sees nothing.
ALTER TABLE connector.integrations
    ADD COLUMN tenant text NOT NULL DEFAULT 'default' CHECK (tenant ~ '^[a-z][a-z0-9_-]{0,62}$');
CREATE INDEX ON connector.integrations (tenant);

ALTER TABLE connector.integrations ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON connector.integrations USING (tenant = current_setting('app.tenant', true));

-- A table with a column that says whose its rows are: the name of a source, or `names` of another table that is kept so.
-- The sub-select is bound by that table's own policy, so there is one place that says what a tenant is.
CREATE FUNCTION connector.keep_to_tenant(
    kept regclass, source_column name, other regclass DEFAULT 'connector.integrations', names name DEFAULT 'name'
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', kept);
    EXECUTE format(
        'CREATE POLICY of_tenant ON %s USING (%I IN (SELECT o.%I FROM %s o))', kept, source_column, names, other
    );
END $$;

SELECT connector.keep_to_tenant(
    format('connector.%I', name)::regclass, 'integration_id', 'connector.integrations', 'id'
) FROM unnest(ARRAY[
    'integration_configurations', 'integration_status_logs', 'integration_webhooks', 'integration_webhook_events'
]) AS name;
SELECT connector.keep_to_tenant(format('connector.%I', name)::regclass, 'source') FROM unnest(ARRAY[
    'integration_audit_logs', 'sync_runs', 'sync_plans', 'sync_receipts', 'sync_cursors', 'dead_letters', 'conflicts',
    'accepted_identities', 'exports', 'export_watches', 'export_outbox'
]) AS name;
SELECT connector.keep_to_tenant('connector.external_system_mappings', 'connector_id');
SELECT connector.keep_to_tenant('connector.sync_changes', 'plan_id', 'connector.sync_plans', 'id');

-- Lets a role look at all tables that are kept so, and at nothing else: neither secrets nor partitions, which have no
-- policy of their own, nor views, which look with their owner's eyes.
CREATE FUNCTION connector.let_look(visitor regrole) RETURNS void LANGUAGE plpgsql AS $$
DECLARE kept regclass;
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA connector TO %s', visitor);
    FOR kept IN SELECT polrelid FROM pg_policy WHERE polname = 'of_tenant' LOOP
        EXECUTE format('GRANT SELECT ON %s TO %s', kept, visitor);
    END LOOP;
END $$;
REVOKE ALL ON FUNCTION connector.let_look(regrole), connector.keep_to_tenant(regclass, name, regclass, name) FROM PUBLIC;

COMMENT ON COLUMN connector.integrations.tenant IS 'Whose source it is; others may not see what it brought.';
