-- What keeps the syncs running by themselves, and tells people when they do not.

ALTER TABLE connector.integrations ADD COLUMN off text;
COMMENT ON COLUMN connector.integrations.off IS
    'Why a person switched it off, with name and time; null: it is on, unless its declaration or the environment says otherwise.';

-- How the requests of a minute went, one row for each endpoint and process: a run writes a few, however many it sends.
CREATE TABLE connector.api_calls (
    source text NOT NULL,
    scope text NOT NULL,
    endpoint text NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    requests integer NOT NULL,
    failed integer NOT NULL DEFAULT 0,
    refused integer NOT NULL DEFAULT 0,
    limited integer NOT NULL DEFAULT 0,
    seconds double precision NOT NULL,
    histogram jsonb NOT NULL
);
CREATE INDEX ON connector.api_calls USING brin (at);
CREATE INDEX ON connector.api_calls (source, at);

COMMENT ON TABLE connector.api_calls IS 'Kept for 90 days.';
COMMENT ON COLUMN connector.api_calls.scope IS 'Whose budget they spent; a key of connector.gates.';
COMMENT ON COLUMN connector.api_calls.failed IS 'No answer, or 5xx.';
COMMENT ON COLUMN connector.api_calls.refused IS '401 or 403.';
COMMENT ON COLUMN connector.api_calls.limited IS '429.';
COMMENT ON COLUMN connector.api_calls.histogram IS
    'Requests by the number of their class of latency; see connector_pipelines/external/latency.py.';
