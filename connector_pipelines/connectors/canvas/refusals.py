"""What Canvas says when it refuses, and what that means for us. Pure.

A throttled request is answered with 429, or by older and self-hosted sites with 403, and only its text tells that from
a 403 that is meant; neither says when to come back. A 401 is about the token only where it comes with a challenge.
https://developerdocs.instructure.com/services/canvas/basics/file.throttling
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from connector_pipelines.external import redact
from connector_pipelines.external.retry import Do

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connector_pipelines.external.messages import Response

THROTTLED = b"rate limit exceeded"
GONE = b"invalid assignment ids requested"
"""Submissions are asked for of an assignment that was deleted or hidden since it was listed."""

FIRST_WAIT_SECONDS = 10.0
_LOOK_AT = 2_000
_LONGEST = 20_000
"""Bytes of an error answer that are searched for words."""

_DEEPEST = 4


def forbidden(response: Response) -> Do:
    """What a 403 means: who throttles, an assignment that is there no more, or somebody who may not do that."""
    said = response.body[:_LOOK_AT].lower()
    if THROTTLED in said:
        return Do.WAIT
    return Do.REFUSE if GONE in said else Do.DENY


def unauthorized(response: Response) -> Do:
    """What a 401 means: a token that is no good, or somebody who may not do that."""
    return Do.REFRESH if response.headers.get("WWW-Authenticate") else Do.DENY


def wait(number: int) -> float:
    """Seconds before a throttled request is sent again, for the n-th time: 10, 20, 40. A second leaks 10 units."""
    return FIRST_WAIT_SECONDS * 2.0 ** (number - 1)


def explained(response: Response) -> str:
    """The site's own words in an error answer, without secrets; "" for none."""
    body = response.body
    return words(body) or (redact.excerpt(body) if body[:1] not in {b"<", b"{", b"["} else "")


def words(body: bytes) -> str:
    """What an answer in JSON says is wrong; "" where it is none, or says nothing."""
    if len(body) > _LONGEST:
        return ""
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    return redact.text("; ".join(dict.fromkeys(_words(told))))[:300] if isinstance(told, dict) else ""


def _words(told: Any, depth: int = 0) -> Iterator[str]:
    """Every text under `message` or `error`, and the number under which the site keeps a report."""
    if depth > _DEEPEST:
        return
    if isinstance(told, list):
        for one in told[:10]:
            yield from _words(one, depth + 1)
    elif isinstance(told, dict):
        yield from (said for name in ("message", "error") if isinstance(said := told.get(name), str) and said)
        report = told.get("error_report_id")
        if isinstance(report, int | str) and not isinstance(report, bool):
            yield f"error report {report}"
        for value in told.values():
            yield from _words(value, depth + 1)
