"""How far a source was read in its own counting: by a number in its records, or by a token that it gives.

The engine keeps what `Tracker.reached` says with the cursor, under the cursor's rules, and hands it to the next
increment as `Window.after`. It is ours alone: JSON with what was counted, so that another declaration is no heir to it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from connector_pipelines.declarative.paginators import whole
from connector_pipelines.errors import BrokenPage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from connector_pipelines.declarative.paging import Incremental, Place
    from connector_pipelines.external.http import Request, Response
    from connector_pipelines.external.paginate import Paginator


def start(incremental: Incremental, after: str | None) -> str | None:
    """What an increment asks for, as the source writes it; None where nothing that fits is known."""
    known = _known(incremental, after)
    if known is None or incremental.number is None:
        return known
    number = whole(known)
    return None if number is None else str(max(0, number - incremental.lookback))


def _known(incremental: Incremental, after: str | None) -> str | None:
    try:
        kept = json.loads(after or "{}")
    except ValueError:
        return None
    return str(kept["at"]) if kept.get("of") == incremental.counted and kept.get("at") is not None else None


@dataclass(slots=True)
class Tracker:
    """Notes how far one read comes.

    Attributes:
        incremental: as declared.
        after: how far the reads before it came.
        split: gives the records of a page.
        number: the number in a record.
        said: what an answer says at a place.
    """

    incremental: Incremental
    after: str | None
    split: Callable[[bytes], Sequence[bytes]]
    number: Callable[[Any], object]
    said: Callable[[Place, Response], object]
    _at: str | None = field(default=None, init=False)
    _highest: int = field(default=-1, init=False)
    _rows: bool = field(default=False, init=False)

    def begin(self) -> None:
        """Everything is read, from the beginning: what was known before counts no more."""
        self.after, self._at, self._highest = None, None, -1

    def note(self, response: Response) -> None:
        """A page came.

        Raises:
            BrokenPage: its numbers are lower than those before: then what changes meanwhile may be left out for good.
        """
        rows = self.split(response.body)
        self._rows |= bool(rows)
        if self.incremental.token is not None:
            token = self.said(self.incremental.token, response)
            self._at = str(token) if token not in {None, ""} else self._at
            return
        numbers = [number for row in rows if (number := whole(self._number(row))) is not None]
        if numbers and min(numbers) < self._highest:
            raise BrokenPage(
                f"the numbers at {self.incremental.number!r} fall from {self._highest:,} to {min(numbers):,} from one"
                " page to the next.",
                remedy="Have the source sort by them, in `params`, or leave out `number`.",
            )
        self._highest = max([self._highest, *numbers])
        self._at = str(self._highest) if self._highest >= 0 else None

    def reached(self) -> str | None:
        """How far the read came, once it is at its end; as far as the ones before where nothing came.

        Raises:
            BrokenPage: records came, and nothing that says how far they reach.
        """
        before = _known(self.incremental, self.after)
        if self._at is None and self._rows:
            raise BrokenPage(
                f"no page says at {self.incremental.counted} how far it reaches.",
                remedy="Correct `incremental` of this source; without it everything is read each time.",
            )
        at = self._at if self._at is not None else before
        if self.incremental.number is not None and before is not None and at is not None:
            at = str(max(int(at), int(before)))  # what was looked back for may be all that came
        return None if at is None else json.dumps({"of": self.incremental.counted, "at": at})

    def _number(self, row: bytes) -> object:
        try:
            return self.number(msgspec.json.decode(row))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None  # a dead letter


@dataclass(frozen=True, slots=True)
class Tracked:
    """A paginator whose pages are noted, in their order."""

    pages: Paginator
    tracker: Tracker

    def after(self, request: Request, response: Response, rows: int) -> Request | None:
        """The page that follows."""
        self.tracker.note(response)
        return self.pages.after(request, response, rows)

    def ahead(self, request: Request, response: Response, rows: int) -> Request | None:
        """A guess."""
        return self.pages.ahead(request, response, rows)
