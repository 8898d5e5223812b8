"""Sends rows in batches and says of every single one what became of it.

How much a refusal takes with it differs by function: `create` and `enrol` do all or nothing, so a refused batch is
halved until the row to blame stands alone; `update` does what it can and names the others in `warnings`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from threading import Event
from typing import TYPE_CHECKING, Any

from connector_pipelines.connectors.moodle import wire
from connector_pipelines.connectors.moodle.calls import ask
from connector_pipelines.connectors.moodle.errorcodes import Refused
from connector_pipelines.errors import AuthFailed, BrokenPage, NetworkError
from connector_pipelines.external.retry import backoff, pause

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence

    from connector_pipelines.connectors.moodle.calls import Moodle
    from connector_pipelines.connectors.moodle.wire import Params

    Rows = Sequence[Params]


CUT = "invalidtoken"
"""What a call is refused with whose end was cut off, as one with a wrong token."""


@dataclass(frozen=True, slots=True)
class Effect:
    """What became of one row of a write.

    Attributes:
        id: its id in Moodle, where the function tells one or the row named it.
        refused: why nothing was done; None where it was.
        found: it stood there already when we looked, after an answer had been lost.
    """

    id: int | None = None
    refused: Refused | None = None
    found: bool = False


@dataclass(frozen=True, slots=True)
class Creation:
    """A function that creates, and how to find out whether it did.

    Attributes:
        function: its name.
        rows: the parameter that holds the rows.
        key: what tells a row from all others, before it has an id.
        look: which of some rows stand there: their ids, by key.
    """

    function: str
    rows: str
    key: Callable[[Mapping[str, Any]], Hashable]
    look: Callable[[Moodle, Rows], Mapping[Hashable, int]]


def cut(moodle: Moodle, rows: Iterable[Params], *, shared: int = 0) -> Iterator[Rows]:
    """The rows in batches as the configuration says, or smaller ones once the site was seen to take no more."""
    left: Rows = list(rows)
    while left:
        fields = min(moodle.config.max_fields, moodle.room.fields)
        batch = next(wire.batches(left, most_rows=moodle.config.batch, most_fields=fields, shared=shared))
        yield batch
        left = left[len(batch) :]


def too_many_fields(moodle: Moodle, batch: Rows, refused: AuthFailed) -> bool:
    """Whether a call was refused because PHP cut its end, where the token is; the next ones are half as large then.

    A cut call did nothing, and a small one with the same token is taken (M121).

    Raises:
        AuthFailed: it is the token.
    """
    if len(batch) == 1 or CUT not in refused.problem:
        return False
    ask(moodle, "core_webservice_get_site_info")
    moodle.room.fields = min(moodle.room.fields, sum(1 for row in batch for _ in wire.fields(row)) // 2)
    return True


def create(moodle: Moodle, creation: Creation, rows: Iterable[Params]) -> Iterator[Effect]:
    """Create rows; one effect for each, in order.

    Where an answer is lost, what stands there is looked up before anything is sent again: creating is not idempotent.

    Raises:
        NetworkError: no answer came, as often as the configuration says; what was created meanwhile can be looked up.
    """
    for batch in cut(moodle, rows):
        yield from _created(moodle, creation, batch)


def _created(moodle: Moodle, creation: Creation, batch: Rows, *, lost: int = 0) -> Iterator[Effect]:
    """Create one batch.

    Args:
        moodle: the site.
        creation: what is created.
        batch: the rows.
        lost: how many answers were lost before this call.
    """
    try:
        made = ask(moodle, creation.function, {creation.rows: list(batch)}, again=False)
    except NetworkError:
        if lost >= moodle.retries:
            raise
        pause(backoff(lost + 1), Event())
        yield from _rest(moodle, creation, batch, lost=lost + 1)
    except AuthFailed as refused:
        if not too_many_fields(moodle, batch, refused):
            raise
        yield from _halves(batch, partial(_created, moodle, creation, lost=lost))
    except Refused as refused:
        if len(batch) == 1:
            yield _settled(moodle, creation, batch, refused, lost=lost)
        else:
            yield from _halves(batch, partial(_created, moodle, creation, lost=lost))
    else:
        yield from _told(creation, made, batch)


def _rest(moodle: Moodle, creation: Creation, batch: Rows, *, lost: int) -> Iterator[Effect]:
    """What of a batch stands there, and the others sent again, in two calls: one may have been too slow."""
    stands = creation.look(moodle, batch)
    rest = [row for row in batch if creation.key(row) not in stands]
    effects = _halves(rest, partial(_created, moodle, creation, lost=lost))
    for row in batch:
        found = stands.get(creation.key(row))
        yield next(effects) if found is None else Effect(found, found=True)


def _settled(moodle: Moodle, creation: Creation, row: Rows, refused: Refused, *, lost: int) -> Effect:
    """A row that stands alone and is refused: after a lost answer perhaps because the first call was still at it."""
    stands = creation.look(moodle, row) if lost else {}
    found = stands.get(creation.key(row[0]))
    return Effect(refused=refused) if found is None else Effect(found, found=True)


def _told(creation: Creation, made: object, batch: Rows) -> Iterator[Effect]:
    """The ids of what was created.

    Raises:
        BrokenPage: not as many as were sent; some of the rows were dropped on the way.
    """
    ids = [one.get("id") if isinstance(one, dict) else None for one in made] if isinstance(made, list) else []
    if len(ids) != len(batch) or None in ids:
        raise BrokenPage(
            f"{creation.function} was sent {len(batch)} rows and tells of {len(ids)}.",
            remedy="Check that max_fields stays below max_input_vars of the site's PHP, then look up what was created.",
        )
    return (Effect(int(str(one))) for one in ids)


def update(moodle: Moodle, function: str, name: str, rows: Iterable[Params]) -> Iterator[Effect]:
    """Change rows that have an `id`; one effect for each, in order. Rows are told apart by their ids."""
    for batch in cut(moodle, rows):
        yield from _updated(moodle, function, name, batch)


def _updated(moodle: Moodle, function: str, name: str, batch: Rows) -> Iterator[Effect]:
    try:
        answer = ask(moodle, function, {name: list(batch)})
    except (Refused, AuthFailed) as refused:
        yield from _refused(moodle, batch, refused, partial(_updated, moodle, function, name))
        return
    warned = {warning.get("itemid"): warning for warning in (answer or {}).get("warnings", ())}
    strangers = set(warned) - {row["id"] for row in batch}
    if strangers:
        raise Refused("unknownitem", f"{function} warns of rows that were not sent.")
    for row in batch:
        warning = warned.get(row["id"])
        yield Effect(row["id"], warning and Refused(str(warning.get("warningcode", "")), str(warning["message"])))


def perform(
    moodle: Moodle, function: str, name: str, rows: Iterable[Params], shared: Mapping[str, Any] | None = None
) -> Iterator[Effect]:
    """Send rows to a function that answers nothing, and may be called again with the same; one effect for each."""
    for batch in cut(moodle, rows, shared=sum(1 for _ in wire.fields(shared or {}))):
        yield from _performed(moodle, function, name, dict(shared or {}), batch)


def _performed(moodle: Moodle, function: str, name: str, shared: Params, batch: Rows) -> Iterator[Effect]:
    try:
        answer = ask(moodle, function, shared | {name: list(batch)})
    except (Refused, AuthFailed) as refused:
        yield from _refused(moodle, batch, refused, partial(_performed, moodle, function, name, shared))
        return
    if answer is not None:
        raise BrokenPage(f"{function} answers where it should say nothing.", remedy="Look at the site's log.")
    yield from (Effect() for _ in batch)


def _refused(
    moodle: Moodle, batch: Rows, refused: Refused | AuthFailed, again: Callable[[Rows], Iterator[Effect]]
) -> Iterator[Effect]:
    """A refused batch: its only row is to blame, or each half is sent by itself.

    Raises:
        AuthFailed: it is the token, the service or the account.
    """
    if isinstance(refused, AuthFailed):
        if not too_many_fields(moodle, batch, refused):
            raise refused
        yield from _halves(batch, again)
    elif len(batch) == 1:
        yield Effect(refused=refused)
    else:
        yield from _halves(batch, again)


def _halves(batch: Rows, again: Callable[[Rows], Iterator[Effect]]) -> Iterator[Effect]:
    middle = (len(batch) + 1) // 2
    for half in (batch[:middle], batch[middle:]):
        if half:
            yield from again(half)
