"""Keeps the registry of sources in the database: who they are, how they are configured, how they answered last."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast

from connector_pipelines.database.connection import Connection, scalar
from connector_pipelines.database.tables import IntegrationStatus
from connector_pipelines.errors import SyncError, at
from connector_pipelines.external import redact
from connector_pipelines.external.surroundings import opened
from connector_pipelines.mapping.identities import activate
from connector_pipelines.model import Health

if TYPE_CHECKING:
    from connector_pipelines.model import Source
    from connector_pipelines.sync.context import Context


def register(connection: Connection, source: Source) -> int:
    """Note a source and its configuration; a configuration that changed becomes a new version, older ones stay (F22).

    Returns:
        the version that is in force. Secrets stand in it as references.
    """
    configuration = source.config.model_dump_json()
    with connection.transaction():
        activate(connection, source.name)
        integration = scalar(
            connection,
            "INSERT INTO connector.integrations (name, connector, title, capabilities, tenant)"
            " VALUES (%s, %s, %s, %s, %s)"
            " ON CONFLICT (name) DO UPDATE SET connector = excluded.connector, capabilities = excluded.capabilities,"
            " tenant = excluded.tenant, updated_at = now() RETURNING id",
            source.name,
            source.connector.name,
            source.connector.title,
            json.dumps([stream.entity for stream in source.streams]),
            source.policy.tenant,
        )
        newest = connection.execute(
            "SELECT version, configuration = %s::jsonb FROM connector.integration_configurations"
            " WHERE integration_id = %s ORDER BY version DESC LIMIT 1",
            [configuration, integration],
        ).fetchone()
        version, same = cast("tuple[int, bool]", newest or (0, False))
        if same:
            return version
        connection.execute(
            "INSERT INTO connector.integration_configurations (integration_id, version, configuration)"
            " VALUES (%s, %s, %s)",
            [integration, version + 1, configuration],
        )
    return version + 1


def test_connection(context: Context, source: Source) -> Health:
    """Ask the source for as little as it takes to know that URL and credentials work, and keep the answer (F23).

    An answer that is an error is kept and returned, not raised.
    """
    register(context.connection, source)
    try:
        with at(source.name), opened(source) as client:
            health = source.connector.check(client)
    except SyncError as error:
        health = Health(ok=False, detail=redact.text(str(error)), latency_seconds=0.0)
    status = IntegrationStatus.CONNECTED if health.ok else IntegrationStatus.ERROR
    with context.connection.transaction():
        context.connection.execute(
            "INSERT INTO connector.integration_status_logs (integration_id, status, detail, latency_ms)"
            " SELECT id, %s, %s, %s FROM connector.integrations WHERE name = %s",
            [status, health.detail, health.latency_seconds * 1000, source.name],
        )
        context.connection.execute(
            "UPDATE connector.integrations SET status = %s, updated_at = now() WHERE name = %s", [status, source.name]
        )
    return health
