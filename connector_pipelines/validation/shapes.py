"""What the records of a source look like, and what of it is new, changed or gone (requirements G128, M124). Pure.

A source's API changes without a word: a field comes, another is spelled as a text, a third is gone. What is remembered
are names of fields and kinds of values, never a value. A change is told for a week; then it is how the source is.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date

TOLD_FOR = timedelta(days=7)

_DEEPEST, _MOST = 6, 500
_NAME = re.compile(r"(?!.*\d{4})[A-Za-z_$@][\w.:$@-]{0,59}")
_ANY = "*"
"""In place of a name that may be a value, as in an object by ids or addresses."""

_KINDS: Mapping[type, str] = {
    str: "text",
    bool: "true or false",
    int: "number",
    float: "number",
    list: "list",
    dict: "object",
}


@dataclass(frozen=True, slots=True)
class Shape:
    """What some records looked like.

    Attributes:
        kinds: of each field, by its path (`lines[].price`); null is no kind.
        always: the fields that no object around them lacked.
    """

    kinds: Mapping[str, frozenset[str]] = field(default_factory=dict)
    always: frozenset[str] = frozenset()


class Known(msgspec.Struct):
    """What is remembered of a field.

    Attributes:
        always: no object around it ever lacked it, or none did before it was gone.
        kinds: since which day a value was of each kind; None from the first read on.
        since: the day of the first read that had it; None where that was the first read of all.
        gone: the day of the first read that lacked it, while it is gone.
    """

    always: bool
    kinds: dict[str, str | None]
    since: str | None = None
    gone: str | None = None


Memory = dict[str, Known]


@dataclass(frozen=True, slots=True)
class Drift:
    """Fields in which records differ from what they were, each in words."""

    new: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.new or self.changed or self.gone)

    def __str__(self) -> str:
        named = {"new": self.new, "changed": self.changed, "gone": self.gone}
        return "; ".join(f"{how}: {', '.join(fields)}" for how, fields in named.items() if fields)


class _Look:
    """Counts what is met on the way through records."""

    def __init__(self) -> None:
        self.kinds: dict[str, set[str]] = {}
        self.met: Counter[str] = Counter()
        self.objects: Counter[str] = Counter()

    def at(self, value: Any, path: str, depth: int = 0) -> None:
        if depth > _DEEPEST:
            return
        if isinstance(value, dict):
            self.objects[path] += 1
            inside = {f"{path}.{name}" if path else name: held for name, held in _named(value)}
            for place, held in inside.items():
                self._note(place, held)
                self.at(held, place, depth + 1)
        elif isinstance(value, list):
            for held in value:
                self._note(f"{path}[]", held)
                self.at(held, f"{path}[]", depth + 1)

    def _note(self, path: str, value: Any) -> None:
        if path in self.kinds or len(self.kinds) < _MOST:
            kind = _KINDS.get(type(value))
            self.kinds.setdefault(path, set()).update([kind] if kind else [])
            self.met[path] += 1


def _named(value: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    return ((name if _NAME.fullmatch(name) else _ANY, held) for name, held in value.items())


def shape(records: Iterable[bytes]) -> Shape:
    """What raw records look like; those that are no JSON objects look like nothing."""
    look = _Look()
    for raw in records:
        try:
            record = msgspec.json.decode(raw)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            continue
        look.at(record, "")
    always = {path for path, met in look.met.items() if met == look.objects[_around(path)] and not path.endswith("[]")}
    return Shape({path: frozenset(kinds) for path, kinds in look.kinds.items()}, frozenset(always))


def _around(path: str) -> str:
    """The path of the object that a field is in."""
    return path.rpartition(".")[0]


def remember(known: Memory, now: Shape, today: date) -> Memory:
    """What is known after another read. A field that was gone for a week is forgotten."""
    if not now.kinds:
        return known
    day = today.isoformat()
    since = day if known else None
    after = {path: _missed(one, day) for path, one in known.items() if path not in now.kinds}
    for path, kinds in now.kinds.items():
        before, always = known.get(path), path in now.always
        if before is None:
            after[path] = Known(always, dict.fromkeys(sorted(kinds), since), since)
        else:
            fresh: dict[str, str | None] = dict.fromkeys(sorted(kinds), day if before.kinds else None)
            after[path] = Known(always and before.always and not before.gone, fresh | before.kinds, before.since)
    return {path: one for path, one in after.items() if not (one.gone and one.gone <= _oldest(today))}


def _missed(one: Known, day: str) -> Known:
    return msgspec.structs.replace(one, gone=one.gone or day)


def _oldest(today: date) -> str:
    """What was told on this day is told no more."""
    return (today - TOLD_FOR).isoformat()


def drift(known: Memory, now: Shape, today: date) -> Drift:
    """How the records of a read differ from those of earlier ones.

    Args:
        known: what is known after the read.
        now: what it looked like.
        today: the day of the read.
    """
    if not now.kinds:
        return Drift()

    def lately(day: str | None) -> bool:
        return day is not None and day > _oldest(today)

    new, changed, gone = [], [], []
    for path, one in sorted(known.items()):
        others = [kind for kind, day in one.kinds.items() if lately(day)]
        if lately(one.since):
            new.append(f"{path} ({' or '.join(one.kinds) or 'null'})")
        elif others:
            was = [kind for kind in one.kinds if kind not in others]
            changed.append(f"{path} ({' or '.join(others)}, was {' or '.join(was)})")
        around = _around(path)
        if one.always and one.gone and (not around or around in now.kinds):
            gone.append(path)
    return Drift(tuple(new), tuple(changed), tuple(gone))


def dump(known: Memory) -> dict[str, Any]:
    """What is known, for keeping."""
    kept: dict[str, Any] = msgspec.to_builtins(known)
    return kept


def load(kept: object) -> Memory:
    """What was kept; nothing where it is not of this form."""
    try:
        return msgspec.convert(kept, Memory)
    except msgspec.ValidationError:
        return {}
