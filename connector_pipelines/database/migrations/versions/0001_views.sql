-- The sync columns of requirements F28-F31 and E78-E79, one row per core row and source that feeds it.
-- last_sync_at is the later of: when the record was written, and when a complete full read last saw it unchanged.

CREATE VIEW connector.last_full_reads AS
    SELECT DISTINCT ON (r.source, r.entity) r.source, r.entity, r.started_at AS seen_at
    FROM connector.sync_runs r
    JOIN connector.sync_plans p ON p.run_id = r.id AND p.state = 'applied'
    WHERE r.snapshot
    ORDER BY r.source, r.entity, r.id DESC;

CREATE VIEW core.synced_organizations AS
    SELECT c.*, m.external_id, m.connector_id AS external_system_id, m.sync_status,
        CASE WHEN m.absent_since IS NULL THEN greatest(m.last_synced_at, f.seen_at) ELSE m.last_synced_at END AS last_sync_at,
        m.sync_version, m.sync_metadata
    FROM core.organizations c
    LEFT JOIN connector.external_system_mappings m ON m.entity_type = 'organizations' AND m.internal_id = c.id
    LEFT JOIN connector.last_full_reads f ON f.source = m.connector_id AND f.entity = m.entity_type;

CREATE VIEW core.synced_terms AS
    SELECT c.*, m.external_id, m.connector_id AS external_system_id, m.sync_status,
        CASE WHEN m.absent_since IS NULL THEN greatest(m.last_synced_at, f.seen_at) ELSE m.last_synced_at END AS last_sync_at,
        m.sync_version, m.sync_metadata
    FROM core.terms c
    LEFT JOIN connector.external_system_mappings m ON m.entity_type = 'terms' AND m.internal_id = c.id
    LEFT JOIN connector.last_full_reads f ON f.source = m.connector_id AND f.entity = m.entity_type;

CREATE VIEW core.synced_courses AS
    SELECT c.*, m.external_id, m.connector_id AS external_system_id, m.sync_status,
        CASE WHEN m.absent_since IS NULL THEN greatest(m.last_synced_at, f.seen_at) ELSE m.last_synced_at END AS last_sync_at,
        m.sync_version, m.sync_metadata
    FROM core.courses c
    LEFT JOIN connector.external_system_mappings m ON m.entity_type = 'courses' AND m.internal_id = c.id
    LEFT JOIN connector.last_full_reads f ON f.source = m.connector_id AND f.entity = m.entity_type;

CREATE VIEW core.synced_sections AS
    SELECT c.*, m.external_id, m.connector_id AS external_system_id, m.sync_status,
        CASE WHEN m.absent_since IS NULL THEN greatest(m.last_synced_at, f.seen_at) ELSE m.last_synced_at END AS last_sync_at,
        m.sync_version, m.sync_metadata
    FROM core.sections c
    LEFT JOIN connector.external_system_mappings m ON m.entity_type = 'sections' AND m.internal_id = c.id
    LEFT JOIN connector.last_full_reads f ON f.source = m.connector_id AND f.entity = m.entity_type;

CREATE VIEW core.synced_students AS
    SELECT c.*, m.external_id, m.connector_id AS external_system_id, m.sync_status,
        CASE WHEN m.absent_since IS NULL THEN greatest(m.last_synced_at, f.seen_at) ELSE m.last_synced_at END AS last_sync_at,
        m.sync_version, m.sync_metadata
    FROM core.students c
    LEFT JOIN connector.external_system_mappings m ON m.entity_type = 'students' AND m.internal_id = c.id
    LEFT JOIN connector.last_full_reads f ON f.source = m.connector_id AND f.entity = m.entity_type;

CREATE VIEW core.synced_instructors AS
    SELECT c.*, m.external_id, m.connector_id AS external_system_id, m.sync_status,
        CASE WHEN m.absent_since IS NULL THEN greatest(m.last_synced_at, f.seen_at) ELSE m.last_synced_at END AS last_sync_at,
        m.sync_version, m.sync_metadata
    FROM core.instructors c
    LEFT JOIN connector.external_system_mappings m ON m.entity_type = 'instructors' AND m.internal_id = c.id
    LEFT JOIN connector.last_full_reads f ON f.source = m.connector_id AND f.entity = m.entity_type;

CREATE VIEW core.synced_enrollments AS
    SELECT c.*, m.external_id, m.connector_id AS external_system_id, m.sync_status,
        CASE WHEN m.absent_since IS NULL THEN greatest(m.last_synced_at, f.seen_at) ELSE m.last_synced_at END AS last_sync_at,
        m.sync_version, m.sync_metadata
    FROM core.enrollments c
    LEFT JOIN connector.external_system_mappings m ON m.entity_type = 'enrollments' AND m.internal_id = c.id
    LEFT JOIN connector.last_full_reads f ON f.source = m.connector_id AND f.entity = m.entity_type;

CREATE VIEW core.synced_teaching_assignments AS
    SELECT c.*, m.external_id, m.connector_id AS external_system_id, m.sync_status,
        CASE WHEN m.absent_since IS NULL THEN greatest(m.last_synced_at, f.seen_at) ELSE m.last_synced_at END AS last_sync_at,
        m.sync_version, m.sync_metadata
    FROM core.teaching_assignments c
    LEFT JOIN connector.external_system_mappings m ON m.entity_type = 'teaching_assignments' AND m.internal_id = c.id
    LEFT JOIN connector.last_full_reads f ON f.source = m.connector_id AND f.entity = m.entity_type;
