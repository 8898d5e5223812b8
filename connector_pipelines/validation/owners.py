"""Whom a raw record names: its own id and those that it refers to, also of one that is refused or skipped. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from connector_pipelines.pages import BadRow, Rows
from connector_pipelines.validation.accept import external

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from connector_pipelines.model import Entity, Stream

Name = tuple[str, str]
"""An entity and an external id."""

_UNFIT = (TypeError, ValueError, KeyError, AttributeError)
"""What a transform may raise for a record that its schema would have refused."""


def named(stream: Stream, entity: Entity, raws: Sequence[bytes], people: Collection[str]) -> list[frozenset[Name]]:
    """For each record, whom it names.

    A record that the stream skips belongs elsewhere: what it names as a person may be one of another kind.

    Args:
        stream: whose records they are.
        entity: what it feeds.
        raws: the records.
        people: the entities whose rows are persons.

    Returns:
        entities and external ids; of a record that cannot be decoded its own id, where one can be read.
    """
    found: list[set[Name]] = [set() for _ in raws]
    given = external(stream, stream.schema(), [Rows(0, range(len(raws)), raws, [""] * len(raws))])
    for one in given.rejections:
        if one.external_id is not None:
            found[one.row].add((entity.name, one.external_id))
    if given.frame.empty:
        return [frozenset(names) for names in found]
    columns = ["external_id", *(reference.name for reference in entity.references)]
    kinds = [entity.name, *(reference.entity for reference in entity.references)]
    for place, (skip, *ids) in zip(
        given.places["row"].tolist(), _transformed(stream, given.frame, columns), strict=True
    ):
        elsewhere = pd.notna(skip)
        for kind, value in zip(kinds, ids, strict=True):
            if pd.notna(value):
                found[place] |= {(name, str(value)) for name in (people if elsewhere and kind in people else (kind,))}
    return [frozenset(names) for names in found]


def _transformed(stream: Stream, frame: pd.DataFrame, columns: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    """Why each record is skipped, and these columns; of one that is too far from what the schema asks for, its id."""
    try:
        yield from _columns(stream.transform(frame), columns)
    except (*_UNFIT, BadRow):
        for at in range(len(frame)):
            try:
                yield from _columns(stream.transform(frame.iloc[[at]].reset_index(drop=True)), columns)
            except (*_UNFIT, BadRow):
                yield (None, frame.iat[at, 0], *[None] * (len(columns) - 1))


def _columns(core: pd.DataFrame, columns: Sequence[str]) -> list[tuple[Any, ...]]:
    return [*zip(*(core[name].tolist() for name in ("skip", *columns)), strict=True)]
