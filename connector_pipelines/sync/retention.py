"""Removes what was kept long enough: landed pages and settled dead letters, which hold records as they came (M64).

Off unless CONNECTOR_PIPELINES_RETENTION_DAYS says how long. What anything may still ask for stays, however old it is:
see `_EXPIRED` and `_SETTLED`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, LiteralString, cast

from connector_pipelines.errors import AnotherRunIsActive, ConfigurationError, at
from connector_pipelines.settings import settings
from connector_pipelines.sync import records
from connector_pipelines.sync.locks import hold

if TYPE_CHECKING:
    from connector_pipelines.sync.context import Context


@dataclass(frozen=True, slots=True)
class Expired:
    """What of one source's entity was kept long enough.

    Attributes:
        reads: whose pages are removed, oldest first.
        letters: how many settled dead letters are.
    """

    source: str
    entity: str
    reads: tuple[int, ...]
    letters: int


def retain(context: Context, *, who: str, why: str, apply: bool = False) -> list[Expired]:
    """Remove what is older than the settings allow; without `apply`, only say what would be.

    Pages go before the entry of the audit log: one that is cut off is gone on with by the next.

    Returns:
        for each source and entity that has any, what was removed or would be.

    Raises:
        AnotherRunIsActive: an entity of a source is being read or planned just now; all others are done.
        ConfigurationError: nobody said how long to keep what came, or why it is removed.
    """
    days = settings().retention_days
    if days is None:
        raise ConfigurationError(
            "nobody said how long to keep what came, so all of it stays.",
            remedy="Set CONNECTOR_PIPELINES_RETENTION_DAYS.",
        )
    if apply:
        records.demand_reason(why, "nothing is removed")
    found, busy = [], None
    for source, entity in _known(context):
        try:
            with at(source, entity), hold(context.connection, f"{source}/{entity}"):
                expired = _expired(context, source, entity, days)
                if apply:
                    _remove(context, expired, days, who=who, why=why)
        except AnotherRunIsActive as active:
            busy = active
        else:
            found.append(expired)
    if busy:
        raise busy
    return [one for one in found if one.reads or one.letters]


def _known(context: Context) -> list[tuple[str, str]]:
    """Every source and entity of which something was read, also of sources that are declared no more."""
    rows = context.connection.execute("SELECT DISTINCT source, entity FROM connector.sync_runs ORDER BY 1, 2")
    return cast("list[tuple[str, str]]", rows.fetchall())


def _expired(context: Context, source: str, entity: str, days: int) -> Expired:
    what = {"source": source, "entity": entity, "days": days}
    old = {cast("int", read) for (read,) in context.connection.execute(_EXPIRED, what).fetchall()}
    reads = tuple(read for read in context.landing.reads(source, entity) if read in old) if old else ()
    counted: LiteralString = "SELECT count(*) FROM connector.dead_letters d WHERE "
    ((letters,),) = context.connection.execute(counted + _SETTLED, what).fetchall()
    return Expired(source, entity, reads, cast("int", letters))


def _remove(context: Context, expired: Expired, days: int, *, who: str, why: str) -> None:
    if not (expired.reads or expired.letters):
        return
    what = {"source": expired.source, "entity": expired.entity, "days": days}
    for read in expired.reads:
        context.landing.remove(expired.source, expired.entity, read)
    with context.connection.transaction():
        gone: LiteralString = "DELETE FROM connector.dead_letters d WHERE "
        context.connection.execute(gone + _SETTLED, what)
        records.audit(
            context.connection,
            "records removed by retention",
            who=who,
            source=expired.source,
            entity=expired.entity,
            why=why,
            days=days,
            reads=expired.reads,
            letters=expired.letters,
        )


# Needed: by a plan that may still be applied or made anew, also of a replay; by a read that is still to be planned; by
# an unsettled dead letter; for comparing core with what was said since the newest complete read that was applied.
_EXPIRED = """
    SELECT r.id FROM connector.sync_runs r
    WHERE r.source = %(source)s AND r.entity = %(entity)s AND r.state <> 'reading'
        AND coalesce(r.finished_at, r.started_at) < now() - make_interval(days => %(days)s)
        AND NOT EXISTS (
            SELECT FROM connector.sync_plans p JOIN connector.sync_runs o ON o.id = p.run_id
            WHERE r.id IN (o.id, o.replays) AND p.state IN ('planned', 'accepted', 'held')
        )
        AND (r.state = 'failed' OR EXISTS (SELECT FROM connector.sync_plans p WHERE p.run_id = r.id))
        AND NOT EXISTS (
            SELECT FROM connector.dead_letters d
            WHERE d.state <> 'resolved' AND r.id IN (d.first_run_id, d.last_run_id)
        )
        AND (r.state = 'failed' OR r.id < (
            SELECT coalesce(max(n.id) FILTER (WHERE n.snapshot AND EXISTS (
                SELECT FROM connector.sync_plans p WHERE p.run_id = n.id AND p.state = 'applied'
            )), max(n.id) FILTER (WHERE n.complete))
            FROM connector.sync_runs n WHERE n.source = r.source AND n.entity = r.entity AND n.kind = 'read'
        ))
"""

# A letter that somebody accepted as somebody else's stays with that decision, whose evidence it is.
_SETTLED = """
    d.source = %(source)s AND d.entity = %(entity)s AND d.state = 'resolved'
        AND d.updated_at < now() - make_interval(days => %(days)s)
        AND NOT EXISTS (SELECT FROM connector.accepted_identities i WHERE i.letter_id = d.id)
"""
