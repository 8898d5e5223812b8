"""Faults: each trap of the service as a switch, off by default (requirements F39, F44).

A fault is written `name`, `name=value`, `name@k` or both, and may be limited to targets: `500@2:item` fails the second
request for items and no other. Targets are tables (item, vendor, purchaseorder) and endpoints (query, count, cdc,
batch, token); `token` is struck only when it is named. Without `@k` a fault strikes every time.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class Kind:
    """What a fault is for.

    Attributes:
        does: one line for `--help` and the README.
        value: default of `=value`; None where there is none to give.
        number: the value must be a whole number from 1 up.
        choices: the values there are; empty for any.
        once: whether it strikes once, at `@2` unless told, instead of at every request.
    """

    does: str
    value: str | None = None
    number: bool = False
    choices: tuple[str, ...] = ()
    once: bool = False


FAULTS: dict[str, Kind] = {
    # pages and what is in them
    "empty": Kind("answers queries as if there were no record at all"),
    "repeat-page": Kind("answers every query with the first page"),
    "clamp": Kind("sends at most N records a page, whatever MAXRESULTS says", "20", number=True),
    "shift": Kind(
        "the lowest records are deleted (or one is changed) before request @k",
        "remove",
        choices=("remove", "remove-many", "update"),
        once=True,
    ),
    "hide-sku": Kind("leaves Sku out of SELECT *, as older versions do"),
    "strict-greater": Kind("treats >= as >"),
    "other-table": Kind("answers with the records of another table"),
    "cdc-limit": Kind("change data capture is cut off after N objects instead of 1,000", "20", number=True),
    # errors
    "401": Kind("401 in the gateway's spelling"),
    "403": Kind("403 AuthorizationFault"),
    "404": Kind("404 without a body that anybody could read"),
    "429": Kind(
        "429 ThrottleExceeded from the gateway; Retry-After is none, in seconds or a date; or all in HTML",
        "none",
        choices=("none", "seconds", "date", "html"),
    ),
    "500": Kind("500 with a SystemFault"),
    "503": Kind("503 as HTML"),
    "fault-200": Kind(
        "a fault with status 200",
        "system",
        choices=("system", "validation", "throttle", "authentication"),
    ),
    "batch-fault": Kind("the N-th part of a batch is a fault, the whole has status 200", "1", number=True),
    "throttle": Kind("429 for more than N requests in any minute; Intuit's limit is 500", "500", number=True),
    "concurrent": Kind("429 for more than N requests at a time; Intuit's limit is 10", "10", number=True),
    # tokens
    "rotate": Kind("every N-th refresh replaces the refresh token; the old one is invalid_grant", "1", number=True),
    "token-expiry": Kind("access tokens end after N calls", "5", number=True),
    # the wire
    "delay": Kind("answers after N milliseconds", "100", number=True),
    "stall": Kind("never answers; ends with the simulator"),
    "reset": Kind("breaks the connection in the middle of the body"),
    "truncated": Kind("sends the first half of the JSON as if it were all"),
    "html-200": Kind("a sign-in page in HTML with status 200"),
    "xml": Kind("answers in XML whatever is accepted"),
    "wrong-charset": Kind("Latin-1 bytes that claim to be UTF-8"),
    "gzip": Kind("compresses the body, asked for or not"),
    "lower-case-headers": Kind("sends header names in lower case"),
    # records
    "unknown-fields": Kind("every record has fields nobody asked for"),
    "duplicate": Kind("the last record of a page comes twice"),
    "big-string": Kind("one record of a page has a text of 1 MB"),
    "nul-byte": Kind("one record of a page has a NUL character in a text"),
    "year-0001": Kind("one record of a page was last updated in the year 1"),
    "not-a-number": Kind("one record of a page has a word where a number should be"),
    "missing-field": Kind("one record of a page lacks this field", "Id"),
    "wrong-type": Kind("one record of a page has a list in this field", "Id"),
}

TARGETS = frozenset({"item", "vendor", "purchaseorder", "query", "count", "cdc", "batch", "read", "token"})
TOKEN = "token"  # noqa: S105 -- the name of a target
_ALWAYS_TOKEN = frozenset({"rotate", "token-expiry"})
_FORM = re.compile(r"(?P<name>[\w-]+?)(?:=(?P<value>[^@:]+?))?(?:@(?P<at>\d+))?(?::(?P<targets>[a-z,]+))?")
_FIRST_STRIKE = 2


@dataclass(frozen=True, slots=True)
class Fault:
    """One switch that is on.

    Attributes:
        at: strikes at the at-th matching request only, counted from 1; None for all.
        targets: only for these; empty for all but the token endpoint.
    """

    name: str
    value: str = ""
    at: int | None = None
    targets: frozenset[str] = frozenset()

    def concerns(self, names: frozenset[str]) -> bool:
        """Whether a request to these targets could be struck."""
        if TOKEN in names:
            return TOKEN in self.targets or self.name in _ALWAYS_TOKEN
        return not self.targets or bool(self.targets & names)


def parse(text: str) -> Fault:
    """Read a fault.

    Raises:
        ValueError: the form is wrong, there is no such fault or target, or its value is none it can have.
    """
    form = _FORM.fullmatch(text.strip())
    if form is None or form["name"] not in FAULTS:
        raise ValueError(f"unknown fault {text!r}; there are {', '.join(FAULTS)}")
    kind = FAULTS[form["name"]]
    value = form["value"] or kind.value or ""
    targets = frozenset((form["targets"] or "").split(",")) - {""}
    if kind.number and not (value.isdecimal() and int(value) > 0):
        raise ValueError(f"fault {text!r}: the value must be a whole number from 1 up")
    if kind.choices and value not in kind.choices:
        raise ValueError(f"fault {text!r}: the value must be one of {', '.join(kind.choices)}")
    if targets - TARGETS:
        raise ValueError(f"fault {text!r}: targets are {', '.join(sorted(TARGETS))}")
    at = int(form["at"]) if form["at"] else (_FIRST_STRIKE if kind.once else None)
    return Fault(form["name"], value, at, targets)


@dataclass(frozen=True, slots=True)
class Struck:
    """The faults that strike one request."""

    faults: dict[str, Fault] = field(default_factory=dict)

    def __contains__(self, name: str) -> bool:
        return name in self.faults

    def number(self, name: str) -> int:
        """The value of a fault as a number."""
        return int(self.faults[name].value)

    def value(self, name: str) -> str:
        """The value of a fault."""
        return self.faults[name].value


@dataclass(slots=True)
class Switchboard:
    """The faults that are on, and how many requests each could have struck."""

    faults: tuple[Fault, ...] = ()
    asked: Counter[Fault] = field(default_factory=Counter)

    def set(self, texts: Iterable[str]) -> None:
        """Switch these on and all others off; counting starts anew.

        Raises:
            ValueError: one of them is none; nothing is changed.
        """
        self.faults = tuple(parse(text) for text in texts)
        self.asked.clear()

    def strike(self, names: frozenset[str]) -> Struck:
        """The faults that strike a request to these targets."""
        struck: dict[str, Fault] = {}
        for fault in self.faults:
            if fault.concerns(names):
                self.asked[fault] += 1
                if fault.at in {None, self.asked[fault]}:
                    struck[fault.name] = fault
        return Struck(struck)
