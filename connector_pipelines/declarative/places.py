"""Parameters of requests: in the query, or in a JSON body, where dots lead into it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from connector_pipelines.declarative import paging as declared

if TYPE_CHECKING:
    from connector_pipelines.external.messages import Request


def value_of(request: Request, into: declared.Into, name: str) -> str | None:
    """A parameter as it was set by `with_value`."""
    if into == "query":
        return request.param(name)
    value: Any = json.loads(request.body or b"{}")
    for part in name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return None if value is None else str(value)


def with_value(request: Request, into: declared.Into, name: str, value: str) -> Request:
    """The request with a parameter set: in the query, or in the JSON body, where dots lead into it.

    In a body a whole number is a number, as its readers expect.
    """
    if into == "query":
        return request.with_params({name: value})
    body: dict[str, Any] = json.loads(request.body or b"{}")
    *way, last = name.split(".")
    inner = body
    for part in way:
        inner = inner.setdefault(part, {})
    inner[last] = int(value) if value.isdecimal() else value
    changed = replace(request, body=json.dumps(body).encode())
    return changed.with_headers({"Content-Type": "application/json"})


def halved(request: Request, paging: declared.Paging) -> Request | None:
    """The same page with half as many rows; None where the next one would not follow from what came, or of one row."""
    follows = isinstance(paging, declared.Cursor | declared.LastRecord) or (
        isinstance(paging, declared.Offset) and paging.step == "received"
    )
    if not follows or isinstance(paging, declared.SinglePage) or paging.size_param is None:
        return None
    size = int(value_of(request, paging.into, paging.size_param) or paging.size)
    return with_value(request, paging.into, paging.size_param, str(size // 2)) if size > 1 else None
