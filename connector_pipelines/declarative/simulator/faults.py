"""Faults: each trap as a switch, off by default. Written `name`, `name=value`, with `@k` for the k-th request alone and
`:collection` for requests of that collection.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

FAULTS: dict[str, tuple[str, str]] = {
    # pages
    "clamp": ("20", "silently sends at most N rows a page, whatever is asked for"),
    "no-total": ("", "says nothing about totals, in body or headers"),
    "total": ("5", "every total is N too high"),
    "no-next": ("", "says nothing about the next page, in body or headers"),
    "cursor-loop": ("", "every token and link leads to the first page"),
    "repeat-page": ("", "sends the first page for every page"),
    "link-other-host": ("inner.warehouse.invalid", "links lead to an inner host, as behind a careless proxy"),
    "empty-list": ("", "sends an empty list instead of the rows"),
    "empty-omits-key": ("", "leaves the list out where it would be empty"),
    "empty-null": ("", "sends null where the list would be empty"),
    "shift": ("", "a row is removed at the front before the second request"),
    "ignore-filter": ("", "answers as if no span were asked for"),
    "lower-case-headers": ("", "sends header names in lower case"),
    # errors
    "401": ("", "401 for everything, the token endpoint too"),
    "403": ("", "403 with a sentence in JSON"),
    "403-throttle": ("", "403 as text that means too many requests"),
    "404": ("", "404 with a sentence in JSON"),
    "429": ("1", "429 as JSON with Retry-After: N"),
    "429-date": ("1", "429 with Retry-After as a date N seconds ahead"),
    "429-html": ("", "429 as HTML, without Retry-After"),
    "500": ("", "500 with a sentence in JSON"),
    "503": ("3", "503 for the first N requests"),
    "error-200": ("", "200 with an error in the body"),
    "token-expiry": ("3", "tokens end after N calls"),
    # the wire
    "delay": ("100", "answers after N milliseconds"),
    "stall": ("", "never answers; ends with the simulator"),
    "reset": ("", "breaks the connection in the middle of the body"),
    "truncated": ("", "sends the first half of the body as if it were all"),
    "html-200": ("", "a login page in HTML with status 200"),
    "wrong-charset": ("", "bytes that are not UTF-8"),
    "gzip": ("", "compresses the body on the way, asked for or not"),
    # rows
    "unknown-fields": ("", "every row has fields nobody asked for"),
    "missing-field": ("supplierName", "no row has this field"),
    "one-missing-field": ("supplierName", "one row of a page lacks this field"),
    "null-field": ("supplierName", "one row of a page has null in this field"),
    "wrong-type": ("leadTimeDays", "one row of a page has an object in this field"),
    "not-a-number": ("leadTimeDays", "one row of a page has words in this field"),
    "not-an-object": ("", "one row of a page is a text"),
    "duplicate-ids": ("", "one row of a page comes twice"),
    "nul-byte": ("", "one row of a page has a NUL character in its name"),
    "big-string": ("", "one row of a page has a text of 1 MB"),
    "year-0001": ("", "one row of a page was last changed in the year 1"),
    "uneven-columns": ("", "one of the lists of a page of columns is a cell short"),
    "ragged-row": ("", "one line of a table lacks its last cell"),
    "no-header": ("", "a table comes without its header"),
}

_FORM = re.compile(r"(?P<name>[\w-]+?)(?:=(?P<value>[^@:]+))?(?:@(?P<at>\d+))?(?::(?P<collection>\w+))?")


@dataclass(frozen=True, slots=True)
class Fault:
    """One switch that is on.

    Attributes:
        at: strikes at the at-th request that concerns it; None for all.
        collection: strikes requests of it alone; empty for all.
    """

    name: str
    value: str = ""
    at: int | None = None
    collection: str = ""


def parse(text: str) -> Fault:
    """Read a fault.

    Raises:
        ValueError: there is no such fault.
    """
    form = _FORM.fullmatch(text.strip())
    if form is None or form["name"] not in FAULTS:
        message = f"unknown fault {text!r}; there are {', '.join(FAULTS)}"
        raise ValueError(message)
    at = int(form["at"]) if form["at"] else (2 if form["name"] == "shift" else None)
    return Fault(form["name"], form["value"] or FAULTS[form["name"]][0], at, form["collection"] or "")


@dataclass(slots=True)
class Switchboard:
    """The faults that are on, and how often each was asked."""

    faults: tuple[Fault, ...] = ()
    asked: Counter[Fault] = field(default_factory=Counter)

    def set(self, texts: Iterable[str]) -> None:
        """Switch these on and all others off; counting starts anew."""
        self.faults = tuple(parse(text) for text in texts)
        self.asked.clear()

    def strike(self, collection: str) -> dict[str, str]:
        """The faults that strike a request, by name, with their values."""
        struck = {}
        for fault in self.faults:
            if fault.collection not in {"", collection}:
                continue
            self.asked[fault] += 1
            if fault.at == self.asked[fault] or (fault.at is None and _strikes(fault, self.asked[fault])):
                struck[fault.name] = fault.value
        return struck


def _strikes(fault: Fault, count: int) -> bool:
    return fault.name != "503" or count <= int(fault.value)
