-- People who were erased (M64): by which ids nobody may know them again, and the one way round what keeps history.

CREATE TABLE connector.erased (
    source text NOT NULL,
    entity text NOT NULL,
    salt bytea NOT NULL,
    digest bytea NOT NULL,
    subject_entity text NOT NULL,
    subject_id bigint,
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (source, entity, digest)
);
CREATE INDEX ON connector.erased (subject_entity, subject_id);
COMMENT ON TABLE connector.erased IS
    'Ids of people who were erased and of what belonged to them: records that have or name one are skipped.';
COMMENT ON COLUMN connector.erased.digest IS 'SHA-256 of salt, entity and external id.';
COMMENT ON COLUMN connector.erased.subject_id IS 'The row of core that a pseudonym stands in; null where core had none.';
SELECT connector.keep_to_tenant('connector.erased', 'source');

-- A text without these ids. A long one goes wherever it stands as a word; a short one, which may be any number, only where
-- we name ids: as a JSON text, or in a list such as "s1, s2 (students 17)".
CREATE FUNCTION connector.erase_in(told text, ids text[]) RETURNS text LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog AS $$
DECLARE one text; word text;
BEGIN
    FOREACH one IN ARRAY coalesce(ids, '{}') LOOP
        CONTINUE WHEN told IS NULL OR strpos(told, one) = 0;
        word := regexp_replace(one, '([^[:alnum:]_])', '\\\1', 'g');
        told := regexp_replace(told, CASE WHEN length(one) >= 6
            THEN '(?<![[:alnum:]_])' || word || '(?![[:alnum:]_])'
            ELSE '(?<![^"[:space:](,/=])' || word || '(?=$|[,)]|[[:space:]]\(|"(?!:))' END, 'erased', 'g');
    END LOOP;
    RETURN told;
END $$;

-- What is kept from change, without a person: exactly the rows that name them. The triggers stand aside for this
-- transaction alone; meanwhile nobody else writes these tables. Receipts come as they shall be, with their new signatures.
CREATE FUNCTION connector.erase_history(
    entities text[], ids bigint[], sources text[], names text[], receipts jsonb, who text, detail jsonb
) RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE changed bigint; planned bigint; noted bigint; signed bigint;
BEGIN
    ALTER TABLE connector.sync_changes DISABLE TRIGGER append_only;
    ALTER TABLE connector.sync_receipts DISABLE TRIGGER append_only;
    ALTER TABLE connector.integration_audit_logs DISABLE TRIGGER append_only;
    ALTER TABLE connector.sync_plans DISABLE TRIGGER applied_once;
    ALTER TABLE connector.sync_runs DISABLE TRIGGER signed_once;

    UPDATE connector.sync_changes s SET external_id = 'erased', changes = '{}', action = 'erased'
    FROM connector.sync_plans p, unnest(entities, ids) AS held (entity, id)
    WHERE p.id = s.plan_id AND p.entity = held.entity AND s.internal_id = held.id AND s.action <> 'erased';
    GET DIAGNOSTICS changed = ROW_COUNT;

    WITH told AS (
        SELECT p.id, connector.erase_in(p.reasons::text, n.ids)::jsonb AS reasons
        FROM connector.sync_plans p JOIN (
            SELECT t.source, array_agg(t.name) AS ids FROM unnest(sources, names) AS t (source, name) GROUP BY 1
        ) n ON n.source = p.source
    )
    UPDATE connector.sync_plans p SET reasons = t.reasons FROM told t WHERE t.id = p.id AND t.reasons <> p.reasons;
    GET DIAGNOSTICS planned = ROW_COUNT;

    WITH told AS (
        SELECT a.id, connector.erase_in(a.detail::text, array_agg(n.name))::jsonb AS detail
        FROM connector.integration_audit_logs a
        JOIN unnest(sources, names) AS n (source, name) ON n.source = a.source AND strpos(a.detail::text, n.name) > 0
        GROUP BY a.id, a.detail
    )
    UPDATE connector.integration_audit_logs a SET detail = t.detail FROM told t WHERE t.id = a.id AND t.detail <> a.detail;
    GET DIAGNOSTICS noted = ROW_COUNT;

    UPDATE connector.sync_receipts r SET differences = n.differences
    FROM jsonb_to_recordset(receipts) AS n (plan_id bigint, differences jsonb) WHERE n.plan_id = r.plan_id;
    GET DIAGNOSTICS signed = ROW_COUNT;
    UPDATE connector.sync_runs r SET receipt = n.digest
    FROM jsonb_to_recordset(receipts) AS n (run bigint, digest text) WHERE n.run = r.id;

    ALTER TABLE connector.sync_changes ENABLE TRIGGER append_only;
    ALTER TABLE connector.sync_receipts ENABLE TRIGGER append_only;
    ALTER TABLE connector.integration_audit_logs ENABLE TRIGGER append_only;
    ALTER TABLE connector.sync_plans ENABLE TRIGGER applied_once;
    ALTER TABLE connector.sync_runs ENABLE TRIGGER signed_once;

    detail := detail || jsonb_build_object('history', jsonb_build_object(
        'changes', changed, 'plans', planned, 'audit entries', noted, 'receipts', signed));
    INSERT INTO connector.integration_audit_logs (who, action, source, entity, detail)
    VALUES (who, 'subject erased', '', detail ->> 'entity', detail);
    RETURN detail;
END $$;
REVOKE ALL ON FUNCTION connector.erase_history(text[], bigint[], text[], text[], jsonb, text, jsonb) FROM PUBLIC;
