-- Provenance: what a record was when it was last accepted, which plan brought it into core, what kind of run it came with.
ALTER TABLE connector.external_system_mappings ADD COLUMN fingerprint uuid, ADD COLUMN created_by bigint;

COMMENT ON COLUMN connector.external_system_mappings.fingerprint IS
    'Hash of the raw record behind row_hash, salted with the code that reads it; a record with a known one is not decoded.';
COMMENT ON COLUMN connector.external_system_mappings.created_by IS
    'The plan that brought the record into core.';

ALTER TABLE connector.sync_changes ADD COLUMN action text NOT NULL DEFAULT 'update';

ALTER TABLE connector.sync_runs
    ADD COLUMN kind text NOT NULL DEFAULT 'read' CHECK (kind IN ('read', 'retry', 'undo', 'resolution')),
    ADD COLUMN known bigint NOT NULL DEFAULT 0,
    ADD COLUMN salt bigint NOT NULL DEFAULT 0,
    ADD COLUMN baseline jsonb,
    ADD COLUMN stability text CHECK (stability IN ('stable', 'repaired', 'unstable'));

COMMENT ON COLUMN connector.sync_runs.known IS 'Rows whose fingerprint was known: unchanged, and so not even decoded.';
COMMENT ON COLUMN connector.sync_runs.salt IS 'Of the fingerprints: a hash of the code and the configuration that read them.';
COMMENT ON COLUMN connector.sync_runs.baseline IS 'What recognizing known rows relied on; null where none was recognized.';
COMMENT ON COLUMN connector.sync_runs.stability IS 'What the page fence found; null where nobody watched.';
