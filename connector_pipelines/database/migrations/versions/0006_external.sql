-- What all processes that talk to one source share: its budgets, its pauses, its breaker, cached answers, sealed secrets.

-- One row for each place whose budget is ours to spend: a host, an account, a QuickBooks realm.
CREATE TABLE connector.gates (
    scope text PRIMARY KEY,
    failures integer NOT NULL DEFAULT 0,
    open_until timestamptz,
    paused_until timestamptz,
    last_request_at timestamptz
) WITH (fillfactor = 50);

COMMENT ON COLUMN connector.gates.failures IS 'Requests in a row that failed after all their retries.';
COMMENT ON COLUMN connector.gates.open_until IS 'Until then nobody asks; afterwards one request tries, and the others wait for what becomes of it.';
COMMENT ON COLUMN connector.gates.paused_until IS 'What the source itself asked for, by a 429.';

-- One row for each budget of a scope, named after its size: another size is another budget.
CREATE TABLE connector.rate_limits (
    scope text NOT NULL,
    budget text NOT NULL,
    sent bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (scope, budget)
) WITH (fillfactor = 50);

-- A ring of the last requests of a budget: number n takes the slot of number n - size, not before that one's time is over.
-- So each slot's requests lie a whole span apart, and no span, wherever it begins, holds more requests than there are slots.
-- No foreign keys: only the function below writes here, and checking them would cost as much as the rest of a request.
CREATE TABLE connector.rate_slots (
    scope text NOT NULL,
    budget text NOT NULL,
    slot integer NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (scope, budget, slot)
) WITH (fillfactor = 50);

-- May a request be sent, and when? One call answers for breaker, pause and all budgets, and takes the slots it grants.
--   go, probe  after so many seconds; a probe decides whether the breaker closes
--   late       not within the caller's patience: nothing was taken
--   open       the breaker is open for so many seconds
CREATE FUNCTION connector.admit(
    wanted text, budgets text[], sizes integer[], spans double precision[], patience double precision,
    probing double precision, OUT verdict text, OUT wait double precision, OUT failed integer
) LANGUAGE plpgsql AS $$
DECLARE
    gate connector.gates;
    clock timestamptz;
    turn timestamptz;
    free timestamptz;
    number bigint;
BEGIN
    SELECT * INTO gate FROM connector.gates g WHERE g.scope = wanted FOR UPDATE;
    IF NOT FOUND THEN
        INSERT INTO connector.gates AS g (scope) VALUES (wanted)
        ON CONFLICT (scope) DO UPDATE SET scope = excluded.scope RETURNING g.* INTO gate;
    END IF;
    clock := clock_timestamp();  -- after the lock: now() is when we began to wait for it
    failed := gate.failures;
    IF gate.open_until > clock THEN
        verdict := 'open';
        wait := extract(epoch FROM gate.open_until - clock);
        RETURN;
    END IF;
    turn := greatest(clock, gate.paused_until);
    FOR i IN 1 .. cardinality(budgets) LOOP
        SELECT s.at + make_interval(secs => spans[i]) INTO free
        FROM connector.rate_limits l
        JOIN connector.rate_slots s ON s.scope = l.scope AND s.budget = l.budget AND s.slot = l.sent % sizes[i]
        WHERE l.scope = wanted AND l.budget = budgets[i];
        turn := greatest(turn, free);
    END LOOP;
    wait := extract(epoch FROM turn - clock);
    IF wait > patience THEN
        verdict := 'late';
        RETURN;
    END IF;
    FOR i IN 1 .. cardinality(budgets) LOOP
        INSERT INTO connector.rate_limits AS l (scope, budget, sent) VALUES (wanted, budgets[i], 1)
        ON CONFLICT (scope, budget) DO UPDATE SET sent = l.sent + 1 RETURNING l.sent - 1 INTO number;
        INSERT INTO connector.rate_slots AS s (scope, budget, slot, at)
        VALUES (wanted, budgets[i], number % sizes[i], turn)
        ON CONFLICT (scope, budget, slot) DO UPDATE SET at = excluded.at;
    END LOOP;
    verdict := CASE WHEN gate.open_until IS NULL THEN 'go' ELSE 'probe' END;
    UPDATE connector.gates g SET last_request_at = turn,
        open_until = CASE verdict WHEN 'probe' THEN turn + make_interval(secs => probing) END
    WHERE g.scope = wanted;
END $$;

-- What the budgets of each scope look like now, for people (the fixed windows of old would let twice as much through).
CREATE VIEW connector.rate_usage AS
SELECT g.scope, l.budget, l.sent,
    count(s.at) FILTER (WHERE s.at > now() - interval '1 minute' AND s.at <= now()) AS requests_this_minute,
    count(s.at) FILTER (WHERE s.at > now() - interval '1 hour' AND s.at <= now()) AS requests_this_hour,
    g.last_request_at, g.paused_until, g.failures, g.open_until
FROM connector.gates g
LEFT JOIN connector.rate_limits l ON l.scope = g.scope
LEFT JOIN connector.rate_slots s ON s.scope = l.scope AND s.budget = l.budget
GROUP BY g.scope, l.scope, l.budget;

-- A seat for one of so many requests at once: the lock of a session, so that a process that dies gives it back.
-- `held` are the seats of this very session, which PostgreSQL would grant it once more.
CREATE FUNCTION connector.take_seat(wanted text, seats integer, held integer[]) RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
    FOR seat IN 1 .. seats LOOP
        IF seat <> ALL (held) AND pg_try_advisory_lock(hashtext(wanted), seat) THEN
            RETURN seat;
        END IF;
    END LOOP;
    RETURN NULL;
END $$;

-- Answers that people may be shown again; a sync never reads them.
CREATE TABLE connector.response_cache (
    key text PRIMARY KEY,
    status integer NOT NULL,
    headers jsonb NOT NULL,
    body bytea NOT NULL,
    url text NOT NULL,
    stored_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON connector.response_cache (stored_at);

-- Secrets that were not given as environment variables, and tokens that sources replace. Fernet tokens: without the keys,
-- which are in no database, they say nothing.
CREATE TABLE connector.secrets (
    name text PRIMARY KEY CHECK (name ~ '^[A-Za-z_][A-Za-z0-9_.:/-]{0,199}$'),
    sealed text NOT NULL CHECK (sealed LIKE 'gAAAA%'),
    updated_at timestamptz NOT NULL DEFAULT now()
);
REVOKE ALL ON connector.secrets FROM PUBLIC;

-- For other services of the same owner. It runs with its caller's rights, so it opens nothing to anybody else.
CREATE FUNCTION connector.get_external_source_credentials(wanted text) RETURNS text LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT s.sealed FROM connector.secrets s WHERE s.name = wanted;
END;
REVOKE ALL ON FUNCTION connector.get_external_source_credentials(text) FROM PUBLIC;

ALTER TABLE connector.integrations ADD COLUMN pinned_version integer,
    ADD FOREIGN KEY (id, pinned_version) REFERENCES connector.integration_configurations (integration_id, version);

COMMENT ON COLUMN connector.integrations.pinned_version IS
    'The configuration a person rolled back to; null: the declared one.';
