"""What travels: forms in brackets to Moodle, JSON back. Pure.

The answer decides, not its status: a running Moodle answers 200 to nearly everything.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import msgspec

from connector_pipelines.connectors.moodle.errorcodes import Refused
from connector_pipelines.errors import BrokenPage
from connector_pipelines.external import redact

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Params = dict[str, Any]

_OTHERS = 4
"""Fields that every call has: two settings, the function and the token."""

_decoder = msgspec.json.Decoder()


def fields(params: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Names and values of the form: `users[0][customfields][1][type]`. What is None is not said."""
    for name, value in params.items():
        yield from _field(name, value)


def _field(name: str, value: Any) -> Iterator[tuple[str, str]]:
    match value:
        case None:
            return
        case dict():
            for key, inner in value.items():
                yield from _field(f"{name}[{key}]", inner)
        case list() | tuple():
            for at, inner in enumerate(value):
                yield from _field(f"{name}[{at}]", inner)
        case bool():
            yield name, "1" if value else "0"
        case float() | Decimal():
            yield name, format(Decimal(str(value)), "f")
        case _:
            yield name, str(value)


def form(function: str, params: Mapping[str, Any]) -> bytes:
    """The body of a call without its token, which is appended when it is sent and so comes last.

    Format and function come first: a call that PHP cuts must still be answered in JSON.

    Titles come as they were entered (`moodlewssettingraw`); escaped ones would never agree with ours.
    """
    head = (("moodlewsrestformat", "json"), ("moodlewssettingraw", "1"), ("wsfunction", function))
    return urlencode((*head, *fields(params))).encode()


def batches(rows: Sequence[Params], *, most_rows: int, most_fields: int, shared: int = 0) -> Iterator[Sequence[Params]]:
    """The rows in order, cut so that no call has too many of them or too many form fields.

    Args:
        rows: what is to be sent.
        most_rows: per call.
        most_fields: per call. A single row that has more stands alone; the token in last place betrays it when cut.
        shared: fields of the call beside the rows.
    """
    begin, used = 0, 0
    for at, row in enumerate(rows):
        size = sum(1 for _ in fields(row))
        if at > begin and (at - begin == most_rows or used + size > most_fields - shared - _OTHERS):
            yield rows[begin:at]
            begin, used = at, 0
        used += size
    if begin < len(rows):
        yield rows[begin:]


def failure(body: bytes) -> Refused | None:
    """The error that an answer is, whatever its status; None for a result, and for what is no JSON."""
    if not body.lstrip().startswith(b"{"):
        return None
    try:
        told = _decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    if not isinstance(told, dict) or not isinstance(told.get("errorcode"), str):
        return None
    return Refused(told["errorcode"], str(told.get("message") or ""))


def result(body: bytes) -> Any:
    """What a call gave back.

    Raises:
        Refused: Moodle did not do it.
        BrokenPage: the answer is no JSON, as after a PHP warning; nobody knows what was done.
    """
    refused = failure(body)
    if refused:
        raise refused
    try:
        return _decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise BrokenPage(
            f"Moodle's answer is no JSON: {redact.excerpt(body)!r}.",
            remedy="Look at the site's own log; a web server or a plug-in put itself between.",
        ) from None
