"""How far a source's entity has been read, and so what the next read must ask for (requirements G57-G59, K10).

The cursor is the *start* of the newest read that was applied to its end, minus a look-back for rows that were committed
late. It moves in the transaction that marks the plan applied, and only when that read left no gap behind it.

A source that counts in its own way, by a number or a token, says how far a read came. That position is the cursor's
companion: it moves with it, in the same transaction and by the same rules, and means nothing to us.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, cast

from connector_pipelines.database.connection import Connection, scalar
from connector_pipelines.model import Mode, Window

if TYPE_CHECKING:
    from connector_pipelines.model import Plan, Read

LOOK_BACK = timedelta(minutes=5)


def current(connection: Connection, source: str, entity: str) -> datetime | None:
    """The cursor, or None before the first full read was applied."""
    newest = "SELECT cursor FROM connector.sync_cursors WHERE source = %s AND entity = %s ORDER BY id DESC LIMIT 1"
    return cast("datetime | None", scalar(connection, newest, source, entity))


def position(connection: Connection, source: str, entity: str) -> str | None:
    """How far the source was read in its own counting, or None where it says nothing, or was never read whole."""
    newest = "SELECT position FROM connector.sync_cursors WHERE source = %s AND entity = %s ORDER BY id DESC LIMIT 1"
    return cast("str | None", scalar(connection, newest, source, entity))


def onward(mode: Mode, cursor: datetime | None, position: str | None) -> Window:
    """What to ask a source for that counts in its own way: what came since, or everything. Pure."""
    if mode is Mode.FULL or cursor is None or position is None:
        return Window()
    return Window(cursor, after=position)


def choose(mode: Mode, *, span: Window, cursor: datetime | None, now: datetime | None = None) -> Window:
    """What to ask the source for. Pure.

    A span that lies in the past is read as it is. One that reaches to now is read from the cursor on where that is
    older, so that failed days heal by themselves; without a cursor nothing was ever read whole, so everything is.

    Args:
        mode: FULL reads everything.
        span: the partition's days; both ends open where there are no partitions.
        cursor: how far reading has come.
        now: the clock, for tests.
    """
    if mode is Mode.FULL:
        return Window()
    if span.until is not None and span.until <= (now or datetime.now(UTC)):
        return Window(span.since - LOOK_BACK if span.since else None, span.until)
    if cursor is None:
        return Window()
    return Window(min(cursor, span.since) if span.since else cursor)


def advance(connection: Connection, read: Read, plan: Plan) -> None:
    """Move the cursor after a plan was applied, in the caller's transaction.

    A read that began after the cursor, or that stopped before now, would leave a gap: the cursor stays.
    """
    cursor = current(connection, read.source, read.entity)
    whole = read.snapshot or read.window.mode is Mode.FULL
    reaches_back = cursor is not None and read.window.since is not None and read.window.since <= cursor
    if not read.complete or read.window.until is not None or not (whole or reaches_back):
        return
    to = read.started_at - LOOK_BACK
    if cursor is None or to > cursor:
        connection.execute(
            "INSERT INTO connector.sync_cursors (source, entity, cursor, position, plan_id)"
            " VALUES (%s, %s, %s, %s, %s)",
            [read.source, read.entity, to, read.reached, plan.id],
        )
