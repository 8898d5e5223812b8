"""Tries a source again that is left alone, because a person mended what was wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector_pipelines.sync import records
from connector_pipelines.sync.sources import test_connection
from connector_pipelines.sync.switches import refuse_off

if TYPE_CHECKING:
    from connector_pipelines.model import Health, Source
    from connector_pipelines.sync.context import Context


def reconnect(context: Context, source: Source, *, who: str) -> Health:
    """Close the breaker of a source, and test its connection; what was found is kept, and noted in the audit log.

    A pause that the source itself asked for stays: it is the source's to lift.

    Raises:
        ConfigurationError: the source is off.
    """
    connection = context.connection
    refuse_off(connection, source)
    connection.execute(
        "UPDATE connector.gates SET failures = 0, open_until = NULL"
        " WHERE split_part(scope, ' / ', 1) IN (SELECT scope FROM connector.api_calls WHERE source = %s)",
        [source.name],
    )
    health = test_connection(context, source)
    records.audit(connection, "reconnected", who=who, source=source.name, entity="", ok=health.ok)
    return health
