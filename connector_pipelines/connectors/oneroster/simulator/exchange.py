"""The list of requests that tests look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from connector_pipelines.simulating.exchange import Call, Reply


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it was received and answered.

    Attributes:
        method: HTTP method.
        path: decoded path without query.
        query: query parameters, the last of each name.
        status: status of the answer; 0 when it was never answered.
        collection: the collection it was about, as the path names it last; empty for tokens and unknown paths.
        rows: how many records the answer carried.
        faults: names of the faults that struck it.
        headers: header fields in lower case; of the authorization only the scheme.
        body: the body that was sent.
    """

    method: str
    path: str
    query: dict[str, str]
    status: int
    collection: str
    rows: int
    faults: tuple[str, ...]
    headers: dict[str, str]
    body: bytes


def request_of(call: Call, reply: Reply, collection: str) -> Request:
    """The line of the list for a call and its reply."""
    headers = {name.lower(): value for name, value in call.headers.items()}
    if "authorization" in headers:
        headers["authorization"] = headers["authorization"].partition(" ")[0]
    struck = tuple(reply.struck)
    return Request(
        method=call.method,
        path=call.path,
        query=call.params,
        status=0 if "stall" in struck else reply.status,
        collection=collection,
        rows=reply.rows,
        faults=struck,
        headers=headers,
        body=call.body,
    )
