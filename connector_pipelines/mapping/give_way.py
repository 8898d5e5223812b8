"""Which open plans a newer plan takes the place of. Their staged rows go with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from connector_pipelines.database import staging
from connector_pipelines.database.tables import plan_table, read_tables

if TYPE_CHECKING:
    from connector_pipelines.database.connection import Connection
    from connector_pipelines.model import Read


def to_plan(connection: Connection, plan_id: int, source: str, entity: str) -> None:
    """Every plan of the source's entity that nobody decided on (a dry run, a preview) gives way to any newer plan."""
    _drop(
        connection,
        connection.execute(
            "UPDATE connector.sync_plans SET state = 'superseded', decided_at = now(), decided_by = 'a newer plan'"
            " WHERE source = %s AND entity = %s AND state = 'planned' AND id < %s RETURNING id, run_id",
            [source, entity, plan_id],
        ).fetchall(),
    )


def to_undo(connection: Connection, plan_id: int) -> None:
    """A held undo gives way to a newer one of the same plans."""
    _drop(connection, connection.execute(_HELD_UNDO, [plan_id]).fetchall())


def to_read(connection: Connection, read: Read) -> None:
    """A held plan gives way to the plan of a newer read of at least the same span."""
    span = {"since": read.window.since, "until": read.window.until, "snapshot": read.snapshot}
    what = {"source": read.source, "entity": read.entity, "run": read.id}
    _drop(connection, connection.execute(_HELD, what | span).fetchall())


def _drop(connection: Connection, replaced: list[tuple[object, ...]]) -> None:
    for plan_id, run_id in cast("list[tuple[int, int]]", replaced):
        staging.drop(connection, plan_table(plan_id), *read_tables(run_id))


# A newer read of at least the same span holds all that an older one did, as it is now; only a snapshot knows absence.
_HELD = """
    UPDATE connector.sync_plans p
    SET state = 'superseded', decided_at = now(), decided_by = 'a newer read of the same span'
    FROM connector.sync_runs r
    WHERE r.id = p.run_id AND p.source = %(source)s AND p.entity = %(entity)s AND p.state = 'held' AND r.kind <> 'undo'
        AND p.run_id < %(run)s AND (%(snapshot)s OR NOT r.snapshot)
        AND coalesce(%(since)s::timestamptz, '-infinity') <= coalesce(r.since, '-infinity')
        AND coalesce(%(until)s::timestamptz, 'infinity') >= coalesce(r.until, 'infinity')
    RETURNING p.id, p.run_id
"""

_HELD_UNDO = """
    UPDATE connector.sync_plans p
    SET state = 'superseded', decided_at = now(), decided_by = 'a newer undo of the same plans'
    FROM connector.sync_runs r, connector.sync_plans mine JOIN connector.sync_runs own ON own.id = mine.run_id
    WHERE mine.id = %s AND own.undoes = r.undoes AND r.id = p.run_id AND p.id < mine.id AND p.state = 'held'
    RETURNING p.id, p.run_id
"""
