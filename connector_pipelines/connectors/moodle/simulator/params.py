"""Parameters as Moodle checks them before a function sees them: shapes, types, nothing missing, nothing more.

A shape is a type's name, `[shape]` for a list, or `{name: shape}`; a name that ends in `!` must be there.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from connector_pipelines.connectors.moodle.simulator import refusals

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_USERNAME = re.compile(r"[-.@_a-z0-9]+")
_EMAIL = re.compile(r"[^@\s<>]+@[^@\s<>]+\.[^@\s<>.]+|root@localhost")
_TAG = re.compile(r"<[^\s]")
_NUMBER = re.compile(r"-?\d+(\.\d*)?|-?\.\d+")


def _integer(text: str) -> int:
    if not re.fullmatch(r"-?\d+", text):
        raise ValueError(text)
    return int(text)


def _number(text: str) -> float:
    if not _NUMBER.fullmatch(text) or not math.isfinite(float(text)):
        raise ValueError(text)
    return float(text)


def _matching(pattern: re.Pattern[str]) -> Callable[[str], str]:
    def clean(text: str) -> str:
        if not pattern.fullmatch(text):
            raise ValueError(text)
        return text

    return clean


def _untagged(text: str) -> str:
    if _TAG.search(text):
        raise ValueError(text)
    return text


def _flag(text: str) -> int:
    if text not in {"0", "1", "true", "false", ""}:
        raise ValueError(text)
    return int(text in {"1", "true"})


TYPES: Mapping[str, Callable[[str], Any]] = {
    "int": _integer,
    "float": _number,
    "bool": _flag,
    "raw": str,
    "text": _untagged,
    "notags": _untagged,
    "username": _matching(_USERNAME),
    "email": _matching(_EMAIL),
    "alphanumext": _matching(re.compile(r"[A-Za-z0-9_-]*")),
    "lang": _matching(re.compile(r"en|de|fr|es|")),
}


def checked(shape: Any, given: Any) -> Any:
    """The parameters, cleaned and converted.

    Raises:
        RefusedError: they do not have the shape.
    """
    if isinstance(shape, dict):
        return _struct(shape, given)
    if isinstance(shape, list):
        if not isinstance(given, dict):
            raise refusals.parameter("Only arrays accepted.")
        return [checked(shape[0], one) for one in given.values()]
    return _scalar(shape, given)


def _scalar(kind: str, given: Any) -> Any:
    if isinstance(given, dict):
        raise refusals.parameter("Scalar type expected, array or object received.")
    try:
        return TYPES[kind](given)
    except ValueError:
        said = f'Invalid external api parameter: the value is "{given}", the server was expecting "{kind}" type'
        raise refusals.parameter(said) from None


def _struct(shape: Mapping[str, Any], given: Any) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise refusals.parameter(f"Only arrays accepted. The bad value is: '{given}'")
    found, left = {}, dict(given)
    for name, inner in shape.items():
        bare = name.rstrip("!")
        if bare not in left:
            if name != bare:
                raise refusals.parameter(f"Missing required key in single structure: {bare}")
            continue
        try:
            found[bare] = checked(inner, left.pop(bare))
        except refusals.RefusedError as refused:
            raise refusals.nested(bare, refused) from None
    if left:
        raise refusals.parameter(f"Unexpected keys ({', '.join(left)}) detected in parameter array.")
    return found
