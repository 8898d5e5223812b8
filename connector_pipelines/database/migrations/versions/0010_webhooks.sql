-- An event is a reason to read. It waits (pending), is in a batch that a run reads again (processing), and is done with that
-- run (processed), or waits again; after too many tries it has failed. Events that feed nothing of ours are ignored.
ALTER TABLE connector.integration_webhook_events
    ADD COLUMN entities text[] NOT NULL DEFAULT '{}',
    ADD COLUMN attempts integer NOT NULL DEFAULT 0,
    ADD COLUMN due_at timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN batch bigint,
    ADD COLUMN claimed_at timestamptz,
    ADD COLUMN run_id text,
    ADD COLUMN reason text,
    ALTER COLUMN payload SET DEFAULT '{}',
    ADD CHECK (status <> 'processing' OR (batch IS NOT NULL AND claimed_at IS NOT NULL));

COMMENT ON COLUMN connector.integration_webhook_events.payload IS
    'The ids of the records it named, as hints for people. Values are not kept: what changed is read.';
COMMENT ON COLUMN connector.integration_webhook_events.entities IS 'What to read again.';
COMMENT ON COLUMN connector.integration_webhook_events.batch IS 'The run that reads again has it in the tag connector_pipelines/events.';
COMMENT ON COLUMN connector.integration_webhook_events.due_at IS 'Not before: after a failed run an event waits a while.';

CREATE SEQUENCE connector.webhook_batches;

CREATE INDEX webhook_events_open ON connector.integration_webhook_events (integration_id, status, due_at)
    WHERE status IN ('pending', 'processing', 'failed');
CREATE INDEX webhook_events_received ON connector.integration_webhook_events (received_at);
