"""Faults: each trap of a system as a switch, off by default (requirements F39, F44).

A fault is written `name`, `name=value`, `name@k` or both, and may be limited to targets: `500@2:enrollments` fails the
second request for enrollments and no other. Without `@k` a fault strikes every time. Nothing is drawn by chance.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Times(StrEnum):
    """Which of the requests that concern it a fault strikes, where it is not told by `@k`."""

    ALL = "all"
    SECOND = "the second"  # between two pages
    FIRST = "the first N"
    EVERY = "every N-th"


@dataclass(frozen=True, slots=True)
class Kind:
    """What a fault is for.

    Attributes:
        does: one line for `--help` and the README.
        value: what `=value` is where it is not given; None where there is none to give.
        form: a pattern of the values there are.
        times: which requests it strikes; N is the value.
    """

    does: str
    value: str | None = None
    form: str = r"[^@]+"
    times: Times = Times.ALL


COUNT = r"[1-9]\d{0,8}"
NUMBER = r"\d{1,9}"

WIRE: Mapping[str, Kind] = {
    "delay": Kind("answers after N milliseconds", "100", COUNT),
    "stall": Kind("never answers; ends with the simulator"),
    "slow-body": Kind("sends the body in 10 pieces, N milliseconds apart", "100", COUNT),
    "reset": Kind("breaks the connection in the middle of the body"),
    "truncated": Kind("sends the first half of the body as if it were all"),
    "html-200": Kind("a login page in HTML with status 200"),
    "wrong-charset": Kind("bytes that are not UTF-8"),
    "gzip": Kind("compresses the body, asked for or not"),
    "lower-case-headers": Kind("sends header names in lower case"),
}
"""Faults of the wire, which every simulator has; `exchange.on_the_wire` and the server carry them out."""


def one_of(*values: str) -> str:
    """The form of a value that is one of these."""
    return "|".join(map(re.escape, values))


@dataclass(frozen=True, slots=True)
class Fault:
    """One switch that is on.

    Attributes:
        name: of its kind.
        value: what was given, or its kind's.
        at: strikes at the at-th request that concerns it only, counted from 1; None for all.
        targets: only for these; empty for all.
    """

    name: str
    value: str = ""
    at: int | None = None
    targets: frozenset[str] = frozenset()


class Struck(dict[str, str]):
    """The faults that strike one request, with their values."""

    def number(self, name: str) -> int:
        """The value of a fault as a number."""
        return int(self[name])


_FORM = re.compile(r"(?P<name>[\w-]+?)(?:=(?P<value>[^@]+?))?(?:@(?P<at>\d+))?(?::(?P<targets>[A-Za-z][\w,]*))?")


@dataclass(frozen=True, slots=True)
class Faults:
    """The faults of one simulator.

    Attributes:
        kinds: all there are, by name.
        apart: targets that are struck by a fault only if it names them, such as a token endpoint; and by these always.
        targets: what may be named behind a colon; empty for anything.
    """

    kinds: Mapping[str, Kind]
    apart: Mapping[str, frozenset[str]] = field(default_factory=dict)
    targets: frozenset[str] = frozenset()

    def parse(self, text: str) -> Fault:
        """Read a fault.

        Raises:
            ValueError: its form is wrong, there is no such fault or target, or its value is none it can have.
        """
        form = _FORM.fullmatch(text.strip())
        if form is None or form["name"] not in self.kinds:
            message = f"unknown fault {text!r}; there are {', '.join(self.kinds)}"
            raise ValueError(message)
        kind = self.kinds[form["name"]]
        value = form["value"] or kind.value or ""
        targets = frozenset((form["targets"] or "").split(",")) - {""}
        if value and not re.fullmatch(kind.form, value):
            message = f"fault {text!r}: {value!r} is no value for it ({kind.does})"
            raise ValueError(message)
        if self.targets and targets - self.targets:
            message = f"fault {text!r}: targets are {', '.join(sorted(self.targets))}"
            raise ValueError(message)
        at = int(form["at"]) if form["at"] else (2 if kind.times is Times.SECOND else None)
        return Fault(form["name"], value, at, targets)

    def concerns(self, fault: Fault, names: frozenset[str]) -> bool:
        """Whether a request to these targets could be struck."""
        if fault.targets:
            return bool(fault.targets & names)
        return all(fault.name in always for name, always in self.apart.items() if name in names)

    def strikes(self, fault: Fault, count: int) -> bool:
        """Whether the count-th request that concerns it is struck."""
        if fault.at is not None:
            return fault.at == count
        match self.kinds[fault.name].times:
            case Times.FIRST:
                return count <= int(fault.value)
            case Times.EVERY:
                return count % int(fault.value) == 0
        return True


@dataclass(slots=True)
class Switchboard:
    """The faults that are on, and how many requests each could have struck."""

    known: Faults
    faults: tuple[Fault, ...] = ()
    asked: Counter[Fault] = field(default_factory=Counter)

    def set(self, texts: Iterable[str]) -> None:
        """Switch these on and all others off; counting starts anew.

        Raises:
            ValueError: one of them is none; nothing is changed.
        """
        self.faults = tuple(self.known.parse(text) for text in texts)
        self.asked.clear()

    def strike(self, names: Iterable[str]) -> Struck:
        """The faults that strike a request to these targets. It counts for every fault that concerns it."""
        targets, struck = frozenset(names), Struck()
        for fault in self.faults:
            if self.known.concerns(fault, targets):
                self.asked[fault] += 1
                if self.known.strikes(fault, self.asked[fault]):
                    struck[fault.name] = fault.value
        return struck

    def value(self, name: str) -> str | None:
        """The value of a fault that is on, whatever it is limited to; None where it is off."""
        return next((fault.value for fault in self.faults if fault.name == name), None)
