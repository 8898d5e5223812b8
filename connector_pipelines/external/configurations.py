"""Which configuration of a source is in force: the declared one, or an earlier version that a person went back to.

Every configuration a source ever ran with is kept as a version. Going back pins one: from then on the source talks to
the outside as that version says, whatever is declared, until somebody lifts the pin. What it feeds, and when, stays as
declared.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from connector_pipelines.errors import ConfigurationError

if TYPE_CHECKING:
    from datetime import datetime

    from connector_pipelines.database.connection import Connection
    from connector_pipelines.external.line import Line
    from connector_pipelines.model import Source


@dataclass(frozen=True, slots=True)
class Version:
    """One configuration a source ran with; secrets stand in it as references."""

    number: int
    since: datetime
    pinned: bool
    configuration: dict[str, Any]


def versions(connection: Connection, source: str) -> list[Version]:
    """All versions of a source's configuration, oldest first."""
    rows = connection.execute(
        "SELECT c.version, c.created_at, c.version IS NOT DISTINCT FROM i.pinned_version, c.configuration"
        " FROM connector.integration_configurations c JOIN connector.integrations i ON i.id = c.integration_id"
        " WHERE i.name = %s ORDER BY c.version",
        [source],
    ).fetchall()
    return [Version(*row) for row in rows]  # type: ignore[arg-type]  # as the columns are declared


def roll_back(connection: Connection, source: Source, number: int, *, who: str) -> Version:
    """Go back to a version; noted in the audit log.

    Raises:
        ConfigurationError: there is no such version, or the connector does not take it any more, or it feeds less.
    """
    known = {version.number: version for version in versions(connection, source.name)}
    if number not in known:
        there = ", ".join(map(str, known)) or "none"
        raise ConfigurationError(
            f"{source.name} has no version {number} of its configuration.", remedy=f"Choose one of: {there}."
        )
    earlier = _as_configured(source, known[number].configuration)
    less = {stream.entity for stream in source.streams} - {stream.entity for stream in earlier.streams}
    if less:
        raise ConfigurationError(
            f"version {number} of {source.name} does not feed {', '.join(sorted(less))}.",
            remedy="Declare fewer entities first, or choose another version.",
        )
    _pin(connection, source.name, number, who=who)
    return replace(known[number], pinned=True)


def lift(connection: Connection, source: str, *, who: str) -> None:
    """Let the declared configuration be in force again; noted in the audit log."""
    _pin(connection, source, None, who=who)


def in_force(line: Line, source: Source) -> Source:
    """The source, configured as it is to be opened now.

    Raises:
        ConfigurationError: the connector does not take the pinned version any more.
    """
    row = line.row(
        "SELECT c.configuration FROM connector.integrations i JOIN connector.integration_configurations c"
        " ON c.integration_id = i.id AND c.version = i.pinned_version WHERE i.name = %s",
        source.name,
    )
    return source if row is None else _as_configured(source, row[0])


def _as_configured(source: Source, configuration: dict[str, Any]) -> Source:
    from pydantic import ValidationError

    try:
        return replace(source, config=source.connector.config.model_validate(configuration))
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise ConfigurationError(
            f"{source.name} cannot go back to that configuration: {wrong}.", remedy="Choose another version."
        ) from None


def _pin(connection: Connection, source: str, number: int | None, *, who: str) -> None:
    with connection.transaction():
        pinned = connection.execute(
            "UPDATE connector.integrations SET pinned_version = %s, updated_at = now() WHERE name = %s",
            [number, source],
        )
        if not pinned.rowcount:
            raise ConfigurationError(
                f"{source} has never run, so it has no versions.", remedy="Test its connection first."
            )
        connection.execute(
            "INSERT INTO connector.integration_audit_logs (who, action, source, detail) VALUES (%s, %s, %s, %s)",
            [who, "configuration pinned" if number else "pin lifted", source, json.dumps({"version": number})],
        )
