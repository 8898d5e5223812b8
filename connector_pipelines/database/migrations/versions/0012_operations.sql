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

-- One row for each run of Dagster that synced a source, also one that died or was cancelled (G126).
CREATE TABLE connector.job_runs (
    run_id text PRIMARY KEY,
    source text NOT NULL,
    job text NOT NULL,
    state text NOT NULL CHECK (state IN ('succeeded', 'failed', 'cancelled', 'parked')),
    started_at timestamptz,
    ended_at timestamptz NOT NULL,
    error text
);
CREATE INDEX ON connector.job_runs (source, ended_at DESC);

-- What each rule found last and what people were told of it: the memory that lets them be told once.
CREATE TABLE connector.alert_states (
    rule text NOT NULL,
    subject text NOT NULL,
    found integer NOT NULL,
    told integer NOT NULL,
    since timestamptz NOT NULL,
    PRIMARY KEY (rule, subject)
);
COMMENT ON COLUMN connector.alert_states.found IS '0: nothing; 1: info; 2: warning; 3: critical.';
COMMENT ON COLUMN connector.alert_states.since IS 'Since when it is found.';

-- What is to be told. Written in the transaction that changes what is told; sent afterwards, until each place has it.
CREATE TABLE connector.alerts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key text UNIQUE,
    level integer NOT NULL,
    title text NOT NULL,
    body text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    sent_to text[] NOT NULL DEFAULT '{}',
    sent_at timestamptz,
    attempts integer NOT NULL DEFAULT 0,
    next_try_at timestamptz
);
CREATE INDEX alerts_unsent ON connector.alerts (id) WHERE sent_at IS NULL;
COMMENT ON COLUMN connector.alerts.key IS 'What may be told once only, such as the digest of a day.';
COMMENT ON COLUMN connector.alerts.sent_to IS 'Digests of the addresses that have it; the addresses may hold secrets.';

-- Backfills that ended before they began, because the source's budget was spent: launched again when their time comes.
CREATE TABLE connector.parked (
    run_id text PRIMARY KEY,
    source text NOT NULL,
    until timestamptz NOT NULL,
    assets text[] NOT NULL,
    tags jsonb NOT NULL,
    parked_at timestamptz NOT NULL DEFAULT now(),
    resumed_at timestamptz
);
CREATE INDEX ON connector.parked (source) WHERE resumed_at IS NULL;

-- When a source may be asked next by a lane that takes no slot now: after its pauses, and when the fullest of its budgets
-- has room again. A budget of all counts for every lane, the share of a lane for those whose requests count in it.
CREATE FUNCTION connector.next_turn(wanted text, lanes text[]) RETURNS timestamptz LANGUAGE sql STABLE AS $$
    SELECT greatest(
        clock_timestamp(),
        (SELECT max(greatest(g.paused_until, g.open_until)) FROM connector.gates g WHERE g.scope = wanted),
        (SELECT max(s.at + make_interval(secs => substring(l.budget FROM ' in ([\d.]+) s$')::float8 * 1.02 + 0.25))
         FROM connector.rate_limits l JOIN connector.rate_slots s ON s.scope = l.scope AND s.budget = l.budget
             AND s.slot = l.sent % substring(l.budget FROM ': (\d+) in')::bigint
         WHERE l.scope = wanted
             AND coalesce(substring(l.budget FROM ' for (sync|backfill): ') = ANY (lanes), true))
    )
$$;

SELECT connector.keep_to_tenant(format('connector.%I', name)::regclass, 'source')
FROM unnest(ARRAY['api_calls', 'job_runs', 'parked']) name;
SELECT connector.keep_to_tenant('connector.alert_states', 'subject');
ALTER TABLE connector.alerts ENABLE ROW LEVEL SECURITY;  -- messages are about all tenants: visitors see none
