-- How exports do, in a few rows: one for each batch that was sent, and one for the changes of core that an export took.
CREATE TABLE connector.export_figures (
    source text NOT NULL,
    entity text NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    sent bigint NOT NULL DEFAULT 0,
    failed bigint NOT NULL DEFAULT 0,
    changes bigint NOT NULL DEFAULT 0,
    seconds double precision NOT NULL DEFAULT 0,
    longest double precision NOT NULL DEFAULT 0
);
CREATE INDEX ON connector.export_figures USING brin (at);
CREATE INDEX ON connector.export_figures (source, at);
SELECT connector.keep_to_tenant('connector.export_figures', 'source');

COMMENT ON TABLE connector.export_figures IS 'Kept for 90 days.';
COMMENT ON COLUMN connector.export_figures.failed IS 'Of the records that were sent, those that the source did not take.';
COMMENT ON COLUMN connector.export_figures.changes IS
    'Rows of core that changed, and that an export which was sent to its end has compared.';
COMMENT ON COLUMN connector.export_figures.seconds IS 'From these changes to the end of that export, summed.';
COMMENT ON COLUMN connector.export_figures.longest IS 'The same, of the one that took longest.';
