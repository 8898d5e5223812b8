"""Faults: each trap of the contract as a switch, off by default (contract 8; requirements F39, F44).

A fault is written `name`, `name=value`, `name@k` or both, and may be limited to collections: `500@2:enrollments`
fails the second request for enrollments and no other; `:token` is the token endpoint, which is struck when it is
named and, by auth-down and token-expiry, always. Without `@k` a fault strikes every time. Nothing is drawn by chance:
which row of a page is spoilt follows from seed, fault and offset.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from connector_pipelines.connectors.oneroster.simulator.refusals import SPELLINGS

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class Kind:
    """What a fault is for: one line for its reader, the value it has when none is given, and how often it strikes.

    Attributes:
        does: one line for `--help` and the README.
        value: default of `=value`; None where there is none to give.
        least: the smallest whole number the value may be; None where it need not be a number.
        choices: the values there are; empty for any.
        once: whether it strikes once (`@2` unless told) instead of at every request.
    """

    does: str
    value: str | None = None
    least: int | None = None
    choices: tuple[str, ...] = ()
    once: bool = False


FAULTS: dict[str, Kind] = {
    # pages and their headers
    "clamp": Kind("silently sends at most N rows a page, whatever the limit", "500", least=1),
    "no-total": Kind("sends no X-Total-Count (and no totals in the body)"),
    "no-link": Kind("sends no Link header"),
    "total-estimate": Kind("X-Total-Count and rel=last are wrong by N percent", "-30", least=-100),
    "link-other-host": Kind("Link leads to an inner host, as behind a careless proxy", "inner.sis.invalid"),
    "repeat-page": Kind("sends the first page for every offset"),
    "empty-list": Kind("sends an empty collection instead of the data"),
    "shift": Kind(
        "a row is removed (or `insert`ed) at the front before request @k",
        "remove",
        choices=("remove", "insert"),
        once=True,
    ),
    "ignore-filter": Kind("answers as if there were no filter"),
    "ignore-sort": Kind("answers as if there were no sort"),
    "strict-greater": Kind("treats dateLastModified>= as >"),
    "no-dot-filter": Kind("refuses filters on nested fields with 400"),
    "hide-deleted": Kind("leaves out records that are tobedeleted"),
    "lower-case-headers": Kind("sends header names in lower case"),
    "trailing-slash-redirect": Kind("redirects collections to their address with a trailing slash (301)"),
    "warnings-in-body": Kind("unknown sort and selection fields are reported as statusInfoSet in the body"),
    # errors
    "429": Kind("429 as text/html with Retry-After: N", "1", least=1),
    "429-every": Kind("429 at every N-th request", "3", least=1),
    "500": Kind("500 with an error payload"),
    "503": Kind("503 for the first N requests", "3", least=1),
    "error-spelling": Kind(
        "error payloads as string, lower, none, errors or statusinfoset", "string", choices=tuple(SPELLINGS)
    ),
    "auth-down": Kind("401 for everything, the token endpoint too"),
    "forbidden": Kind("403 for everything but the token endpoint"),
    "token-expiry": Kind("tokens end after N calls", "10", least=0),
    # the wire
    "delay": Kind("answers after N milliseconds", "100", least=1),
    "stall": Kind("never answers; ends with the simulator"),
    "slow-body": Kind("sends the body in 10 pieces, N milliseconds apart", "100", least=1),
    "reset": Kind("breaks the connection in the middle of the body"),
    "truncated": Kind("sends the first half of the JSON as if it were all"),
    "html-200": Kind("a login page in HTML with status 200"),
    "wrong-charset": Kind("Latin-1 bytes that claim to be UTF-8"),
    "gzip": Kind("compresses the body, asked for or not"),
    # envelopes and rows
    "missing-envelope": Kind("the body is {} without the collection's key"),
    "null-envelope": Kind("the collection's key is null"),
    "bool-real": Kind("1.2 with real booleans instead of strings"),
    "bool-strings": Kind("1.1 with strings instead of booleans"),
    "unknown-fields": Kind("every row has fields nobody asked for"),
    "big-string": Kind("one row of a page has a string of 1 MB"),
    "nul-byte": Kind("one row of a page has a NUL character in its name"),
    "year-0001": Kind("one row of a page was last modified in the year 1"),
    "duplicate-ids": Kind("one row of a page comes twice"),
    "missing-field": Kind("one row of a page lacks this required field", "status"),
    "wrong-type": Kind("one row of a page has a list in this field, or a number where a list should be", "sourcedId"),
}

_FORM = re.compile(r"(?P<name>[\w-]+?)(?:=(?P<value>[^@]+?))?(?:@(?P<at>\d+))?(?::(?P<collections>[A-Za-z][\w,]*))?")
_WHOLE = re.compile(r"-?\d{1,9}")
FIRST_STRIKE = 2
TOKEN = "token"  # noqa: S105  (the name under which a fault is limited to the token endpoint)
TOKEN_FAULTS = frozenset({"auth-down", "token-expiry"})  # all others strike it only when limited to it


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
    if kind.least is not None and (not _WHOLE.fullmatch(value) or int(value) < kind.least):
        raise ValueError(f"fault {text!r}: the value must be a whole number from {kind.least} up")
    if kind.choices and value not in kind.choices:
        raise ValueError(f"fault {text!r}: the value must be one of {', '.join(kind.choices)}")
    at = int(form["at"]) if form["at"] else (FIRST_STRIKE if kind.once else None)
    return Fault(form["name"], value, at, frozenset((form["collections"] or "").split(",")) - {""})


@dataclass(slots=True)
class Active:
    """The faults that strike one request, by name."""

    faults: dict[str, Fault]

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

    def strike(self, names: Iterable[str], *, only: frozenset[str] | None = None) -> Active:
        """The faults that strike a request; `names` are the collections it is about, as the path and the store name
        them.

        A request counts for every fault that could concern it, so that `@k` is the k-th such request. `only` names the
        faults that concern it without being limited to it.
        """
        concerned = {*names}
        struck: dict[str, Fault] = {}
        for fault in self.faults:
            if fault.collections and not fault.collections & concerned:
                continue
            if only is not None and not fault.collections and fault.name not in only:
                continue
            self.asked[fault] += 1
            if _strikes(fault, self.asked[fault]):
                struck[fault.name] = fault
        return Active(struck)


def _strikes(fault: Fault, count: int) -> bool:
    if fault.name == "429-every":
        return count % int(fault.value) == 0
    if fault.name == "503" and fault.at is None:
        return count <= int(fault.value)
    return fault.at is None or fault.at == count
