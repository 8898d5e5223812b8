"""Answers as no system means them: bytes that are damaged on the way, and JSON with something else in some place."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from random import Random

STRANGE: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    2**63,
    10**400,
    1e308,
    float("nan"),
    float("inf"),
    "",
    " ",
    "\x00",
    "\u202e\ud800",
    "0000-00-00",
    "9999-12-31T23:59:60Z",
    "1e999999",
    "NaN",
    "x" * 70_000,
    [],
    [[]],
    [None],
    {},
    {"": None},
    {"a": {"a": {"a": {"a": [{}]}}}},
)


def bent(document: Any, dice: Random) -> Any:
    """A document with another value, a name that is missing, or a new one, in some place of it."""
    if isinstance(document, dict) and document and dice.random() < 0.85:
        name = dice.choice(sorted(document))
        if dice.random() < 0.2:
            return {key: held for key, held in document.items() if key != name}
        return document | {name: bent(document[name], dice)}
    if isinstance(document, list) and document and dice.random() < 0.85:
        at = dice.randrange(len(document))
        if dice.random() < 0.1:
            return document * 2
        return [*document[:at], bent(document[at], dice), *document[at + 1 :]]
    return dice.choice(STRANGE)


def damaged(body: bytes, dice: Random) -> bytes:
    """Bytes that were flipped, cut, doubled, or put there."""
    at, size = dice.randrange(len(body) + 1), dice.randrange(1, 40)
    match dice.randrange(4):
        case 0:
            return body[:at]
        case 1:
            return body[:at] + body[at + size :]
        case 2:
            return body[:at] + dice.randbytes(size) + body[at:]
    return body[:at] + body[at : at + size] + body[at:]


def mutated(body: bytes, dice: Random) -> bytes:
    """One or the other; what is no JSON is only damaged."""
    if dice.random() < 0.7:
        try:
            return json.dumps(bent(json.loads(body), dice)).encode()
        except (ValueError, RecursionError):
            pass
    return damaged(body, dice)
