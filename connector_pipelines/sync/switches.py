"""Whether a source may be read at all: as its declaration, the environment, and the last person who said so have it."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from connector_pipelines.database.connection import Connection, scalar
from connector_pipelines.database.tables import IntegrationStatus
from connector_pipelines.errors import ConfigurationError
from connector_pipelines.sync import records
from connector_pipelines.sync.sources import register

if TYPE_CHECKING:
    from connector_pipelines.model import Source


def why_off(connection: Connection, source: Source) -> str:
    """Why a source may not be read now; empty where it may."""
    said = "SELECT off FROM connector.integrations WHERE name = %s"
    return source.off or cast("str | None", scalar(connection, said, source.name)) or ""


def refuse_off(connection: Connection, source: Source) -> None:
    """Let only sources pass that are on.

    Raises:
        ConfigurationError: it is off; the message says since when or by which setting.
    """
    why = why_off(connection, source)
    if why:
        raise ConfigurationError(
            f"{source.name} is off: {why}.",
            remedy="Change that setting and reload the definitions."
            if source.off
            else "Launch the job activate_source when it may be read again.",
        ).located(source.name, None)


def deactivate(connection: Connection, source: Source, *, who: str, why: str) -> None:
    """Let nobody read a source from now on, by hand or by itself; a read that runs goes on. Noted in the audit log."""
    register(connection, source)
    with connection.transaction():
        connection.execute(
            "UPDATE connector.integrations SET status = %s, updated_at = now(),"
            " off = format('deactivated by %%s at %%s UTC: %%s', %s::text,"
            " to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'), %s::text) WHERE name = %s",
            [IntegrationStatus.DISCONNECTED, who, why, source.name],
        )
        _log(connection, source.name, IntegrationStatus.DISCONNECTED, f"deactivated by {who}: {why}")
        records.audit(connection, "source deactivated", who=who, source=source.name, entity="", why=why)


def activate(connection: Connection, source: Source, *, who: str, why: str = "") -> None:
    """Let a source be read again. Noted in the audit log.

    Raises:
        ConfigurationError: its declaration or the environment keeps it off; nobody but they can change that.
    """
    if source.off:
        refuse_off(connection, source)
    register(connection, source)
    with connection.transaction():
        changed = connection.execute(
            "UPDATE connector.integrations SET status = %s, off = NULL, updated_at = now()"
            " WHERE name = %s AND off IS NOT NULL",
            [IntegrationStatus.PENDING, source.name],
        ).rowcount
        if changed:
            _log(connection, source.name, IntegrationStatus.PENDING, f"activated by {who}")
            records.audit(connection, "source activated", who=who, source=source.name, entity="", why=why)


def _log(connection: Connection, source: str, status: IntegrationStatus, detail: str) -> None:
    connection.execute(
        "INSERT INTO connector.integration_status_logs (integration_id, status, detail)"
        " SELECT id, %s, %s FROM connector.integrations WHERE name = %s",
        [status, detail, source],
    )
