"""Where a value is in a record: a JMESPath expression (https://jmespath.org/specification.html), or a column's name.

A path of plain names is walked here, which is many times as fast as JMESPath and, unlike it, tells a field that is
missing from one that is null.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from jmespath.parser import ParsedResult

_NAMES = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)
_MISSING = object()


@dataclass(frozen=True, slots=True)
class Path:
    """A way into a record.

    Attributes:
        text: as it was declared.
        names: the field names it is made of; none for an expression that only JMESPath understands.
        get: the value, None where there is none.
        has: whether the record knows the field, be it null. An expression is there when it gives something.
    """

    text: str
    names: tuple[str, ...]
    get: Callable[[Any], object]
    has: Callable[[Any], bool]


@cache
def in_json(text: str) -> Path:
    """The path of a JMESPath expression.

    Raises:
        ValueError: it is none; the message says where.
    """
    expression = _compiled(text)
    if _NAMES.fullmatch(text):
        return _walked(text, tuple(text.split(".")))

    def get(record: Any) -> object:
        return searched(expression, record)

    return Path(text, (), get, lambda record: get(record) is not None)


@cache
def in_csv(text: str) -> Path:
    """The path of a column: its name as the header has it."""
    return Path(text, (text,), lambda record: record.get(text), lambda record: text in record)


def searched(expression: ParsedResult, document: Any) -> object:
    """What an expression finds; None also where a function does not take what it was given.

    A record on which an expression cannot be computed has no such value; whether one is needed, validation says.
    """
    from jmespath.exceptions import JMESPathError

    try:
        found: object = expression.search(document)
    except JMESPathError:
        return None
    return found


def _compiled(text: str) -> ParsedResult:
    import jmespath
    from jmespath.exceptions import JMESPathError

    try:
        return jmespath.compile(text)
    except JMESPathError as error:
        message = f"{text!r} is no JMESPath expression: {' '.join(str(error).split())}"
        raise ValueError(message) from None


def _walked(text: str, names: tuple[str, ...]) -> Path:
    def find(record: Any) -> object:
        value = record
        for name in names:
            if value is None:
                return None  # the source knows the field, and there is nothing in it
            if value.__class__ is not dict or name not in value:
                return _MISSING
            value = value[name]
        return value

    def get(record: Any) -> object:
        value = find(record)
        return None if value is _MISSING else value

    return Path(text, names, get, lambda record: find(record) is not _MISSING)
