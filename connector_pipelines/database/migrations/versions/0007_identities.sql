-- What a person said about records of which nobody else could say whose they are. Append-only: the newest counts.
CREATE TABLE connector.accepted_identities (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source text NOT NULL,
    entity text NOT NULL,
    external_id varchar NOT NULL,
    content jsonb NOT NULL,
    onto bigint,
    letter_id bigint NOT NULL REFERENCES connector.dead_letters (id),
    who text NOT NULL,
    why text NOT NULL,
    at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON connector.accepted_identities (source, entity, external_id, id DESC);

COMMENT ON COLUMN connector.accepted_identities.content IS
    'The validated record, without when it was modified: exactly this may pass.';
COMMENT ON COLUMN connector.accepted_identities.onto IS
    'The core row that a new record belongs to; null lets the record have a row of its own, or keep the one it has.';
