-- Receipts, and what they rest on, are written once (S3, G121): the plan as it was applied, the values before and after.
CREATE OR REPLACE FUNCTION connector.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', coalesce(TG_ARGV[0], TG_TABLE_NAME) USING ERRCODE = 'insufficient_privilege';
END $$;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON connector.sync_receipts
    FOR EACH STATEMENT EXECUTE FUNCTION connector.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON connector.sync_changes
    FOR EACH STATEMENT EXECUTE FUNCTION connector.refuse_change();
CREATE TRIGGER applied_once BEFORE UPDATE OR DELETE ON connector.sync_plans
    FOR EACH ROW WHEN (old.state = 'applied') EXECUTE FUNCTION connector.refuse_change('an applied plan');

ALTER TABLE connector.sync_runs ADD COLUMN receipt text;
COMMENT ON COLUMN connector.sync_runs.receipt IS
    'SHA-256 of the receipt of its applied plan, as it was written; Dagster has it, too, with what the run materialized.';
CREATE TRIGGER signed_once BEFORE UPDATE OF receipt OR DELETE ON connector.sync_runs
    FOR EACH ROW WHEN (old.receipt IS NOT NULL) EXECUTE FUNCTION connector.refuse_change('the record of a proven run');

-- Null for what was written before this column was.
ALTER TABLE connector.sync_changes ADD COLUMN at timestamptz;
ALTER TABLE connector.sync_changes ALTER at SET DEFAULT clock_timestamp();
