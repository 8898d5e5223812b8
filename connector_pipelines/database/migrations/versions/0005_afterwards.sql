-- Runs that only look (a dry run, a replay of landed pages), and indexes for looking back at what plans did to a row.
ALTER TABLE connector.sync_runs
    DROP CONSTRAINT sync_runs_kind_check,
    ADD CONSTRAINT sync_runs_kind_check CHECK (kind IN ('read', 'dry_run', 'replay', 'retry', 'undo', 'resolution')),
    ADD COLUMN replays bigint REFERENCES connector.sync_runs (id);

COMMENT ON COLUMN connector.sync_runs.replays IS 'The read whose landed pages this one takes instead of asking the source.';

CREATE INDEX sync_changes_of_a_row ON connector.sync_changes (internal_id, plan_id);
CREATE INDEX sync_runs_launched_by ON connector.sync_runs (source, launched_by);
