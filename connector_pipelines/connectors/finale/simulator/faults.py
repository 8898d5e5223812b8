"""Faults: each trap of the contract as a switch, off by default (contract 8).

A fault is written `name`, `name=value`, `name@k` or both, and may be limited to collections: `500@2:order` fails the
second request for orders and no other. `:report` is a report, `:auth` the log-in, which is struck only when it is named
or by auth-down. Without `@k` a fault strikes every time.
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
    """What a fault is for: one line for its reader, and the value it has when none is given.

    Attributes:
        does: one line for `--help` and the README.
        value: default of `=value`; None where there is none to give.
        form: what the value must look like, whole.
    """

    does: str
    value: str | None = None
    form: str = r".+"


_COUNT = r"[1-9]\d{0,8}"

FAULTS: dict[str, Kind] = {
    # collections
    "empty-list": Kind("arrays of length 0 instead of the data"),
    "empty-object": Kind("{} instead of the data"),
    "cap": Kind("sends at most N entities, after filtering", "120000", _COUNT),
    "short-array": Kind("this array lacks its first element, so that all others move up", "productId"),
    "missing-array": Kind("this array is not there", "productId"),
    "null-array": Kind("this array is null", "productId"),
    "ignore-filter": Kind("answers as if there were no filter"),
    "no-dates": Kind("every third row has no lastUpdatedDate"),
    "string-numbers": Kind("numbers come as texts"),
    "exponents": Kind("fractions are written with exponents, 1.25E1"),
    "null-lists": Kind("empty lists come as null"),
    "unknown-fields": Kind("every row has fields nobody asked for"),
    "duplicate-ids": Kind("the first row comes twice"),
    "missing-field": Kind("the first row has null in this field", "productUrl"),
    "wrong-type": Kind("the first row has an object in this field", "productUrl"),
    "nul-byte": Kind("the first row has a NUL character in this field", "internalName"),
    "big-string": Kind("the first row has a text of 1 MB in this field", "internalName"),
    "year-0001": Kind("the first row was last updated in the year 1"),
    # reports
    "report-labels": Kind("the report's header has other labels"),
    "report-ragged": Kind("the report's second row lacks a cell"),
    # errors
    "429": Kind("429 with Retry-After in N seconds or as a date, or as html without one", "1", r"\d{1,4}|date|html"),
    "429-every": Kind("429 at every N-th request", "3", _COUNT),
    "limits": Kind(
        "GETs a minute, POSTs a minute, collections and reports an hour; then 429", "120,120,300", r"\d+,\d+,\d+"
    ),
    "404": Kind("404 for everything but the log-in"),
    "500": Kind("500 with an error in JSON"),
    "503": Kind("503 for the first N requests", "3", _COUNT),
    "auth-down": Kind("401 for everything, the log-in too"),
    "forbidden": Kind("403 for everything but the log-in"),
    "session-expiry": Kind("sessions end after N calls", "10", r"\d{1,9}"),
    # the wire
    "delay": Kind("answers after N milliseconds", "100", _COUNT),
    "stall": Kind("never answers; ends with the simulator"),
    "slow-body": Kind("sends the body in 10 pieces, N milliseconds apart", "100", _COUNT),
    "reset": Kind("breaks the connection in the middle of the body"),
    "truncated": Kind("sends the first half of the JSON as if it were all"),
    "html-200": Kind("a login page in HTML with status 200"),
    "wrong-charset": Kind("Latin-1 bytes that claim to be UTF-8"),
    "gzip": Kind("compresses the body, asked for or not"),
    "lower-case-headers": Kind("sends header names in lower case"),
}

AUTH = "auth"
REPORT = "report"
_AUTH_FAULTS = frozenset({"auth-down"})  # all others strike the log-in only when limited to it
_FORM = re.compile(r"(?P<name>[\w-]+?)(?:=(?P<value>[^@:]+?))?(?:@(?P<at>\d+))?(?::(?P<collections>[A-Za-z][\w,]*))?")


@dataclass(frozen=True, slots=True)
class Fault:
    """One switch that is on.

    Attributes:
        name: a key of `FAULTS`.
        value: what was given or the kind's default.
        at: strikes at the at-th matching request only, counted from 1; None for all.
        collections: only for these, empty for all.
    """

    name: str
    value: str = ""
    at: int | None = None
    collections: frozenset[str] = frozenset()

    def concerns(self, collection: str) -> bool:
        """Whether a request for a collection counts for this fault."""
        if self.collections:
            return collection in self.collections
        return collection != AUTH or self.name in _AUTH_FAULTS

    def strikes(self, count: int) -> bool:
        """Whether it strikes the count-th request that concerns it."""
        if self.name == "429-every":
            return count % int(self.value) == 0
        if self.name == "503" and self.at is None:
            return count <= int(self.value)
        return self.at is None or self.at == count


def parse(text: str) -> Fault:
    """Read a fault.

    Raises:
        ValueError: the form is wrong, there is no such fault, or its value is none it can have.
    """
    form = _FORM.fullmatch(text.strip())
    if form is None or form["name"] not in FAULTS:
        raise ValueError(f"unknown fault {text!r}; there are {', '.join(FAULTS)}")
    kind = FAULTS[form["name"]]
    value = form["value"] or kind.value or ""
    if value and not re.fullmatch(kind.form, value):
        raise ValueError(f"fault {text!r}: {value!r} is no value for it ({kind.does})")
    at = int(form["at"]) if form["at"] else None
    return Fault(form["name"], value, at, frozenset((form["collections"] or "").split(",")) - {""})


@dataclass(frozen=True, slots=True)
class Active:
    """The faults that strike one request, by name."""

    faults: dict[str, Fault] = field(default_factory=dict)

    def __contains__(self, name: str) -> bool:
        return name in self.faults

    def number(self, name: str) -> int:
        """The value of a fault as a number."""
        return int(self.faults[name].value)

    def value(self, name: str) -> str | None:
        """The value of a fault; None where it does not strike."""
        return self.faults[name].value if name in self.faults else None


@dataclass(slots=True)
class Switchboard:
    """The faults that are on, and how often each was asked."""

    faults: tuple[Fault, ...] = ()
    asked: Counter[Fault] = field(default_factory=Counter)

    def set(self, texts: Iterable[str]) -> None:
        """Switch these on and all others off; counting starts anew.

        Raises:
            ValueError: one of them is none; nothing is changed.
        """
        self.faults = tuple(parse(text) for text in texts)
        self.asked.clear()

    def strike(self, collection: str) -> Active:
        """The faults that strike a request. It counts for every fault that concerns it, so that `@k` is the k-th."""
        struck: dict[str, Fault] = {}
        for fault in self.faults:
            if fault.concerns(collection):
                self.asked[fault] += 1
                if fault.strikes(self.asked[fault]):
                    struck[fault.name] = fault
        return Active(struck)
