"""What PHP does to a form before Moodle sees it, and to a result after: brackets, its limit of fields, its JSON."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_PARTS = re.compile(r"\[([^\]]*)\]")


def as_json(document: object) -> bytes:
    """As `json_encode` writes it: nothing but ASCII, and slashes escaped."""
    return json.dumps(document, separators=(",", ":")).replace("/", "\\/").encode()


def kept(pairs: Sequence[tuple[str, str]], most: int) -> Sequence[tuple[str, str]]:
    """The fields that PHP reads: one more than `max_input_vars`. The others are dropped without an error."""
    return pairs[: most + 1]


def unfold(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """The fields as nested arrays, in the order they came: `a[0][b]`, `a[7]` with gaps, `a[]`."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        head, bracket, rest = name.partition("[")
        keys = [head, *_PARTS.findall(bracket + rest)]
        _put(found, keys, value)
    return found


def _put(into: dict[str, Any], keys: Sequence[str], value: str) -> None:
    for key in keys[:-1]:
        inner = into.setdefault(key or str(len(into)), {})
        if not isinstance(inner, dict):
            return
        into = inner
    into[keys[-1] or str(len(into))] = value
