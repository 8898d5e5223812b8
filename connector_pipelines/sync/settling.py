"""Asks the other system what stands there: after an answer was lost, and once a day, so that no drift stays unseen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connector_pipelines.database import ledger
from connector_pipelines.database.ledger import Entry
from connector_pipelines.mapping.recognizing import Fate, differing, fate, grouped, own, recognize
from connector_pipelines.model import Progress
from connector_pipelines.outward import Action, Wanted
from connector_pipelines.sync.contesting import rules_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from connector_pipelines.database.ledger import Sending
    from connector_pipelines.model import Source
    from connector_pipelines.outward import Export, Record
    from connector_pipelines.sync.context import Context


def settle(context: Context, source: Source, export: Export, client: Any) -> int:
    """Find out what became of every row that was being sent when a process died or an answer was lost.

    What took effect is booked as sent, the rest is as if it had never been sent.

    Returns:
        how many there were.

    Raises:
        SyncError: the system could not be asked; the rows stay marked, so that nothing is sent twice.
    """
    asked = 0
    for rows in ledger.unanswered(context.connection, source.name, export.entity, batch=export.batch):
        created = [row for row in rows if row.external_id is None]
        others = [row for row in rows if row.external_id is not None]
        entries = _not_of_others(context, source, export, _looked_up(export, client, created))
        entries += _read_again(export, client, others)
        _book(context, source, export, entries)
        asked += len(rows)
        context.report(Progress(source.name, export.name, "ask after", asked, None))
    return asked


def verify(context: Context, source: Source, export: Export, client: Any) -> int:
    """Compare all that we keep up with what stands there; what differs or is gone is planned again.

    Returns:
        how many records differ.
    """
    drifted = done = 0
    rules = rules_of(source, export)
    for rows in ledger.standing(context.connection, source.name, export):
        there = dict(export.read_back(client, [external_id for _, external_id, _ in rows]))
        entries = [
            _drifted(key, known, there[external_id], contested=bool(rules))
            for key, external_id, known in rows
            if external_id in there and (there[external_id] is None or differing(known, there[external_id] or {}))
        ]
        _book(context, source, export, entries)
        drifted += len(entries)
        done += len(rows)
        context.report(Progress(source.name, export.name, "compare", done, None))
    return drifted


def _book(context: Context, source: Source, export: Export, entries: Sequence[Entry]) -> None:
    if entries:
        with context.connection.transaction():
            ledger.book(context.connection, source.name, export.entity, entries, plan=None)


def _drifted(key: str, known: Record, stands: Record | None, *, contested: bool) -> Entry:
    """What differs is looked at by the next plan: as it stands, or by the rules, which ask for themselves."""
    if stands is None:
        return Entry(key, "wanted", gone=True, settled=False, done=False)
    if contested:
        return Entry(key, "sent", record=known, settled=False, done=False)
    return Entry(key, "sent", record=own(known, stands), settled=False, done=False)


def _looked_up(export: Export, client: Any, rows: Sequence[Sending]) -> list[Entry]:
    """What was to be created, and is there or is not. Where that is in doubt, the next plan says so."""
    if not rows:
        return []
    found = grouped(export.find(client, [Wanted(row.key, row.sent) for row in rows]))
    entries = []
    for row in rows:
        known = recognize(found.get(row.key, ()), export.sure).found
        if known is None:
            entries.append(Entry(row.key, "wanted", settled=False, done=False))
        else:
            stands = own(row.sent, known.record)
            whole = not differing(row.sent, stands)
            entries.append(Entry(row.key, "sent", known.external_id, stands, settled=False, done=whole))
    return entries


def _not_of_others(context: Context, source: Source, export: Export, entries: Sequence[Entry]) -> list[Entry]:
    """The entries, where none takes a record that is kept up for another row: the next plan says so to a person."""
    ids = {entry.key: entry.external_id for entry in entries if entry.external_id}
    taken = ledger.taken(context.connection, source.name, export.entity, ids)
    return [Entry(e.key, "wanted", settled=False, done=False) if e.key in taken else e for e in entries]


def _read_again(export: Export, client: Any, rows: Sequence[Sending]) -> list[Entry]:
    if not rows:
        return []
    there = dict(export.read_back(client, [row.external_id or "" for row in rows]))
    return [_judged(row, there.get(row.external_id or "")) for row in rows]


def _judged(row: Sending, stands: Mapping[str, Any] | None) -> Entry:
    match fate(row.action, before=row.before, sent=row.sent, stands=stands):
        case Fate.GONE:
            return Entry(row.key, "wanted", gone=True, settled=False, done=False)
        case Fate.NOT_DONE if row.action is Action.RESTORE:
            return Entry(row.key, "withdrawn", settled=False, done=False)
        case Fate.NOT_DONE:
            return Entry(row.key, "sent", record=own(row.before, stands or {}), settled=False, done=False)
        case _ if row.action is Action.WITHDRAW:
            return Entry(row.key, "withdrawn", settled=False)
    kept = own(row.sent, stands or {})
    return Entry(row.key, "sent", record=row.sent, stands=kept if differing(row.sent, kept) else None, settled=False)
