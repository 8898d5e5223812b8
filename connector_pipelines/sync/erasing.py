"""Erases a person on their request (GDPR article 17, FERPA; requirement M64): `export_subject` tells what goes.

    core        their row stays under a pseudonym, inactive, so that what points to it, and everybody's figures, stay
    mappings    go, theirs and those of the rows that point to them: no source feeds these rows any more
    history     says that a plan changed the row, and not what; receipts, plans and audit entries lose the person's ids
    letters, edits, conflicts, decisions about identity, cached answers        go
    exports     forget what was sent of the person; the next one writes the pseudonym there, or withdraws it
    pages       lose the records that are theirs or name them; of reads that nobody can read any more all pages go
    staged      rows go, and open plans are made anew from the pages

The database first, in one transaction, and then the pages: from its commit on `sync.veil` knows the ids by their
digests, so what is not cleaned yet is not looked at, and whoever erases again finishes.
"""

from __future__ import annotations

import re
import secrets
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast
from urllib.parse import unquote

from connector_pipelines.database.connection import scalar
from connector_pipelines.errors import BrokenPage, ConfigurationError
from connector_pipelines.sync import records, subjects, veil
from connector_pipelines.sync.forgetting import Known, forget
from connector_pipelines.sync.locks import hold
from connector_pipelines.sync.veil import ABOUT_PEOPLE, PEOPLE, Veil

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from connector_pipelines.database.connection import Connection
    from connector_pipelines.external.landing import LandedPage
    from connector_pipelines.model import Source, Stream
    from connector_pipelines.sync.context import Context
    from connector_pipelines.sync.subjects import Subject

BY = "erase_subject"


@dataclass(frozen=True, slots=True)
class Erasure:
    """What was erased, or would be.

    Attributes:
        rows: by place, as `subjects.export` names them.
        records: on landed pages, by source and entity.
        unread: reads whose pages nobody can read, and that are removed whole: source, entity, number.
    """

    rows: Mapping[str, int]
    records: Mapping[str, int]
    unread: Sequence[tuple[str, str, int]]

    @property
    def counts(self) -> dict[str, int]:
        """All in one, without a name."""
        pages = {f"landed {place}": count for place, count in self.records.items()}
        return {**self.rows, **pages, "reads removed whole": len(self.unread)}


def erase(
    context: Context, subject: Subject, sources: Mapping[str, Source], *, who: str, why: str, apply: bool = False
) -> Erasure:
    """Erase a person; without `apply`, only say what would be.

    Doing it again finds nothing, or finishes what was cut off.

    Args:
        context: the run's surroundings.
        subject: whom.
        sources: that are declared; pages of others cannot be read, and are removed whole.
        who: does it.
        why: they do; needed to apply.
        apply: do it.

    Raises:
        AnotherRunIsActive: one of the sources is being read, planned, applied or written just now. Nothing was done.
        ConfigurationError: core has no such person, nobody says why, or something about them is being sent right now.
    """
    if not apply:
        known = _known(context.connection, subject)
        hidden = {source: _preview(known, source, context.connection) for source in known.sources}
        return Erasure(_counted(known), *_pages(context, sources, hidden, apply=False))
    records.demand_reason(why, "nobody is erased")
    with _alone(context.connection, _known(context.connection, subject)):
        known = _known(context.connection, subject)
        with context.connection.transaction():
            forget(context, known, sources, who=who, why=why)
        hidden = {source: veil.load(context.connection, source) for source in known.sources}
        done = Erasure(_counted(known), *_pages(context, sources, hidden, apply=True))
    what = {"id": known.subject.id, "why": why, "records": done.records, "removed": done.unread}
    records.audit(context.connection, "pages erased", who=who, source="", entity=subject.entity, **what)
    return done


def _known(connection: Connection, subject: Subject) -> Known:
    """Where they are known now; of somebody who was erased already, where they were."""
    subject = _erased_before(connection, subject)
    held = subjects.held_of(connection, subject)
    if subject.id is not None and not held[subject.entity]:
        raise ConfigurationError(f"core has no {subject}.", remedy="Look for the id in core, or at the source.")
    own = [(subject.entity, row["id"]) for row in held.get(subject.entity, ())]
    rows = own + [(kind, row["id"]) for kind in ABOUT_PEOPLE if kind != subject.entity for row in held.get(kind, ())]
    names = {(one["connector_id"], one["entity_type"], one["external_id"]) for one in held["mappings"]}
    names |= {(one["source"], one["entity"], one["external_id"]) for one in held["dead letters"] if one["external_id"]}
    keys = {f"{kind}/{row}": kind for kind, row in rows}
    names |= {
        (one["source"], keys[one["key"]], one["external_id"])
        for one in held["exports"]
        if one["key"] in keys and one["external_id"]
    }
    if subject.id is None:
        names.add((subject.source, subject.entity, subject.external_id))
    before = "SELECT DISTINCT source FROM connector.erased WHERE subject_entity = %s AND subject_id = %s"
    were = [cast("str", one) for (one,) in connection.execute(before, [subject.entity, subject.id]).fetchall()]
    return Known(subject, rows, frozenset(names), sorted({*were, *(source for source, _, _ in names)}), held)


def _erased_before(connection: Connection, subject: Subject) -> Subject:
    """The same person by the row of core, where a source's id for them was erased already or is mapped."""
    if subject.id is not None:
        return subject
    own = scalar(connection, subjects.WHOSE, subject.source, subject.entity, subject.external_id)
    found = connection.execute(
        "SELECT salt, digest, subject_id FROM connector.erased"
        " WHERE source = %s AND entity = %s AND subject_id IS NOT NULL",
        [subject.source, subject.entity],
    ).fetchall()
    for salt, one, row in cast("list[tuple[bytes, bytes, int]]", found):
        if veil.digest(bytes(salt), subject.entity, subject.external_id) == bytes(one):
            own = row
    return subject if own is None else replace(subject, id=cast("int", own), source="", external_id="")


def _counted(known: Known) -> dict[str, int]:
    return {place: len(rows) for place, rows in known.held.items()}


@contextmanager
def _alone(connection: Connection, known: Known) -> Iterator[None]:
    """Nobody else reads, plans, applies or sends what the person may be in."""
    sending = [one["key"] for one in known.held["exports"] if one["state"] == "sending"]
    if sending:
        raise ConfigurationError(
            f"{', '.join(sending)} is being sent; nobody is erased.",
            remedy="Launch that export again, so that it ends; then erase.",
        )
    exported = {(one["source"], f"export/{one['entity']}") for one in known.held["exports"]}
    places = {(source, entity) for source in known.sources for entity in ABOUT_PEOPLE} | exported
    with ExitStack() as held:
        for name in [*(f"core/{entity}" for entity in ABOUT_PEOPLE), *(f"{s}/{e}" for s, e in sorted(places))]:
            held.enter_context(hold(connection, name))
        yield


def _preview(known: Known, source: str, connection: Connection) -> Veil:
    """The veil as it would be."""
    salt, before = secrets.token_bytes(16), veil.load(connection, source)
    new = frozenset(veil.digest(salt, kind, name) for of, kind, name in known.names if of == source)
    return Veil({**before.digests, salt: new})


def _pages(
    context: Context, sources: Mapping[str, Source], hidden: Mapping[str, Veil], *, apply: bool
) -> tuple[dict[str, int], list[tuple[str, str, int]]]:
    """How many records of each source and entity are on landed pages, and which reads nobody can read."""
    found: dict[str, int] = {}
    unread = []
    for source, of_it in hidden.items():
        for entity in ABOUT_PEOPLE:
            declared = sources.get(source)
            stream = declared.stream(entity) if declared and declared.provides(entity) else None
            for read in context.landing.reads(source, entity):
                count = _read(context, of_it, stream, (source, entity, read), apply=apply)
                if count is None:
                    unread.append((source, entity, read))
                elif count:
                    found[f"{source}/{entity}"] = found.get(f"{source}/{entity}", 0) + count
    return found, unread


def _read(
    context: Context, hidden: Veil, stream: Stream | None, place: tuple[str, str, int], *, apply: bool
) -> int | None:
    """How many records of one read's pages must not be seen; None where nobody can read them."""
    try:
        changed = {} if stream is None else dict(_changed(hidden, stream, context.landing.pages(*place)))
        if apply and stream:
            context.landing.keep(*place, {number: (url, rows) for number, (url, rows, _) in changed.items()})
    except BrokenPage:
        stream = None
    if stream:
        return sum(count for _, _, count in changed.values())
    if apply:
        context.landing.remove(*place, by=BY)
    return None


def _changed(
    hidden: Veil, stream: Stream, pages: Iterator[LandedPage]
) -> Iterator[tuple[int, tuple[str, list[bytes], int]]]:
    for page in pages:
        rows = page.records(stream.split)
        if places := hidden.found(stream, rows):
            kept = [b"" if at in places else bytes(row) for at, row in enumerate(rows)]
            yield page.number, (_unnamed(hidden, page.url), kept, len(places))


_PARTS = re.compile(r"[^/?&=,#]+")


def _unnamed(hidden: Veil, url: str) -> str:
    """An address without ids that must not be seen: parents are asked for one by one."""

    def part(found: re.Match[str]) -> str:
        word = found.group()
        return "erased" if any(hidden.hides(kind, unquote(word)) for kind in PEOPLE) else word

    return _PARTS.sub(part, url)
