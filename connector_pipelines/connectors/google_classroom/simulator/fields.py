"""Partial responses: `fields=nextPageToken,students(userId,profile/name)` (https://google.aip.dev/157 and its like)."""

from __future__ import annotations

import re
from typing import Any

Mask = dict[str, "Mask"]

_WORD = re.compile(r"\s*([A-Za-z*]\w*|[(),/])\s*")


def parse(text: str) -> Mask:
    """What a selector asks for; nothing below a name means all of it.

    Raises:
        ValueError: it is none.
    """
    words = _words(text)
    mask, rest = _several(words)
    if rest or not mask:
        raise ValueError(f"Invalid field selection {text}")
    return mask


def selected(document: Any, mask: Mask) -> Any:
    """The part of a document that a mask asks for."""
    if not mask:
        return document
    if isinstance(document, list):
        return [selected(one, mask) for one in document]
    if not isinstance(document, dict):
        return document
    return {name: selected(held, mask[name]) for name, held in document.items() if name in mask}


def _words(text: str) -> list[str]:
    words, at = [], 0
    while at < len(text):
        found = _WORD.match(text, at)
        if found is None:
            raise ValueError(f"Invalid field selection {text}")
        words.append(found[1])
        at = found.end()
    return words


def _several(words: list[str]) -> tuple[Mask, list[str]]:
    mask: Mask = {}
    while words and words[0] not in "(),/":
        name, rest = words[0], words[1:]
        below: Mask = {}
        if rest[:1] == ["("]:
            below, rest = _several(rest[1:])
            if rest[:1] != [")"]:
                raise ValueError("Invalid field selection: a bracket is open")
            rest = rest[1:]
        elif rest[:1] == ["/"]:
            below, rest = _path(rest[1:])
        mask[name] = mask.get(name, {}) | below
        words = rest[1:] if rest[:1] == [","] else rest
        if rest[:1] != [","]:
            break
    return mask, words


def _path(words: list[str]) -> tuple[Mask, list[str]]:
    """What follows a slash: one name, and perhaps what is below it."""
    name, rest = (words[0], words[1:]) if words else ("", [])
    if not name or name in "(),/":
        raise ValueError("Invalid field selection: a name is missing")
    if rest[:1] == ["/"]:
        below, rest = _path(rest[1:])
        return {name: below}, rest
    return {name: {}}, rest
