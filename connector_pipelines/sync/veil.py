"""Keeps what a source says of people who were erased out of everything: its records are neither landed nor looked at.

Whom it must not know again, it knows by digests alone (`connector.erased`): of the ids that the source has for them,
and of the ids of what belonged to them. A record that has or names one of these ids is taken out of its page before the
page is landed. It is counted as skipped, so every record is accounted for; its mapping is gone, so nothing is missed.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from connector_pipelines.core.entities import ENTITIES
from connector_pipelines.core.entities import entity as core_entity
from connector_pipelines.errors import BrokenPage

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from connector_pipelines.database.connection import Connection
    from connector_pipelines.mapping.fingerprints import Known
    from connector_pipelines.model import Stream
    from connector_pipelines.pages import Page

PEOPLE = tuple(name for name, entity in ENTITIES.items() if entity.names)
"""The entities whose rows are persons."""

ABOUT_PEOPLE = tuple(
    name for name, entity in ENTITIES.items() if name in PEOPLE or any(r.entity in PEOPLE for r in entity.references)
)
"""They, and those whose rows point to one."""

REASON = "of a person who was erased"
"""Why the record is skipped."""

_WITHHELD = b""


def digest(salt: bytes, entity: str, external_id: str) -> bytes:
    """What is kept of an id: enough to know it again, and with the salt all that anybody can do is try out ids."""
    return hashlib.sha256(b"\0".join((salt, entity.encode(), external_id.encode("utf-8", "surrogatepass")))).digest()


@dataclass(frozen=True, slots=True)
class Veil:
    """Whom of one source nobody may see; `digests` by their salts."""

    digests: Mapping[bytes, frozenset[bytes]]

    def hides(self, entity: str, external_id: str) -> bool:
        """Whether this is the id of somebody who was erased, or of what belonged to them."""
        return any(digest(salt, entity, external_id) in known for salt, known in self.digests.items())

    def over(self, stream: Stream, pages: Iterable[Page], known: Known | None = None, salt: int = 0) -> Iterator[Page]:
        """The same pages, with nothing in place of each record that must not be seen.

        Args:
            stream: whose pages they are.
            pages: as they come.
            known: what core holds; those records are not decoded, for nobody who was erased is among them.
            salt: of their fingerprints.
        """
        if not self.digests or stream.entity not in ABOUT_PEOPLE:
            yield from pages
            return
        for page in pages:
            places = self.found(stream, page.rows, _unknown(page.rows, known, salt))
            rows = [b"" if at in places else row for at, row in enumerate(page.rows)] if places else page.rows
            yield replace(page, rows=rows, body=page.body if page.rows or _whole(stream, page.body) else _WITHHELD)

    def found(self, stream: Stream, rows: Sequence[bytes], places: Sequence[int] | None = None) -> set[int]:
        """Which of these records must not be seen, by their places; only those in `places` are looked at."""
        from connector_pipelines.validation.owners import named

        wanted = [at for at in (range(len(rows)) if places is None else places) if rows[at]]
        names = named(stream, core_entity(stream.entity), [bytes(rows[at]) for at in wanted], PEOPLE)
        theirs = (
            (at, {name for name in of_it if name[0] in ABOUT_PEOPLE}) for at, of_it in zip(wanted, names, strict=True)
        )
        return {at for at, of_it in theirs if any(self.hides(*name) for name in of_it)}


def load(connection: Connection, source: str) -> Veil:
    """The veil over a source, as it is now."""
    rows = connection.execute("SELECT salt, digest FROM connector.erased WHERE source = %s", [source]).fetchall()
    digests: dict[bytes, set[bytes]] = defaultdict(set)
    for salt, one in cast("list[tuple[bytes, bytes]]", rows):
        digests[bytes(salt)].add(bytes(one))
    return Veil({salt: frozenset(found) for salt, found in digests.items()})


def _unknown(rows: Sequence[bytes], known: Known | None, salt: int) -> Sequence[int]:
    if known is None or not rows:
        return range(len(rows))
    import numpy as np
    import xxhash

    held = known.holds(b"".join(xxhash.xxh3_128_digest(row, salt) for row in rows))
    return np.flatnonzero(~held).tolist()


def _whole(stream: Stream, body: bytes) -> bool:
    """Whether a page without records is one; of what breaks the read nobody can say whom it names."""
    try:
        stream.split(body)
    except BrokenPage:
        return False
    return True
