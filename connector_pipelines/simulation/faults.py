"""Faults: each trap of a system as a switch, off by default.

A fault is written `name`, `name=value`, `name@k` or both, and may be limited to targets: `reset@2:core_user_get_users`
strikes the second call of that function and no other. Without `@k` a fault strikes every time.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True, slots=True)
class Kind:
    """What a fault is for: one line for its reader, and the value it has when none is given.

    Attributes:
        does: one line for the README.
        value: default of `=value`; None where there is none to give.
        form: what the value must look like, whole.
    """

    does: str
    value: str | None = None
    form: str = r".+"


COUNT = r"[1-9]\d{0,8}"

WIRE: Mapping[str, Kind] = {
    "delay": Kind("answers after N milliseconds", "100", COUNT),
    "stall": Kind("never answers; ends with the simulator"),
    "slow-body": Kind("sends the body in 10 pieces, N milliseconds apart", "100", COUNT),
    "reset": Kind("does what is asked, and breaks the connection in the middle of the answer"),
    "lower-case-headers": Kind("sends header names in lower case"),
}
"""What `server.py` does by itself."""

_FORM = re.compile(r"(?P<name>[\w-]+?)(?:=(?P<value>[^@:]+?))?(?:@(?P<at>\d+))?(?::(?P<targets>[A-Za-z][\w,]*))?")


@dataclass(frozen=True, slots=True)
class Fault:
    """One switch that is on.

    Attributes:
        at: strikes at the at-th matching request only, counted from 1; None for all.
        targets: only for these, empty for all.
    """

    name: str
    value: str = ""
    at: int | None = None
    targets: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Active:
    """The faults that strike one request, by name."""

    faults: dict[str, Fault] = field(default_factory=dict)

    def __contains__(self, name: str) -> bool:
        return name in self.faults

    def number(self, name: str) -> int:
        """The value of a fault as a number."""
        return int(self.faults[name].value)


def parse(text: str, kinds: Mapping[str, Kind]) -> Fault:
    """Read a fault.

    Raises:
        ValueError: the form is wrong, there is no such fault, or its value is none it can have.
    """
    form = _FORM.fullmatch(text.strip())
    if form is None or form["name"] not in kinds:
        raise ValueError(f"unknown fault {text!r}; there are {', '.join(kinds)}")
    kind = kinds[form["name"]]
    value = form["value"] or kind.value or ""
    if value and not re.fullmatch(kind.form, value):
        raise ValueError(f"fault {text!r}: {value!r} is no value for it ({kind.does})")
    at = int(form["at"]) if form["at"] else None
    return Fault(form["name"], value, at, frozenset((form["targets"] or "").split(",")) - {""})


@dataclass(slots=True)
class Switchboard:
    """The faults that are on, and how often each was asked.

    Attributes:
        kinds: the faults there are.
    """

    kinds: Mapping[str, Kind]
    faults: tuple[Fault, ...] = ()
    asked: Counter[Fault] = field(default_factory=Counter)

    def set(self, texts: Iterable[str]) -> None:
        """Switch these on and all others off; counting starts anew.

        Raises:
            ValueError: one of them is none; nothing is changed.
        """
        self.faults = tuple(parse(text, self.kinds) for text in texts)
        self.asked.clear()

    def strike(self, target: str) -> Active:
        """The faults that strike a request. It counts for every fault that concerns it, so that `@k` is the k-th."""
        struck: dict[str, Fault] = {}
        for fault in self.faults:
            if not fault.targets or target in fault.targets:
                self.asked[fault] += 1
                if fault.at is None or fault.at == self.asked[fault]:
                    struck[fault.name] = fault
        return Active(struck)
