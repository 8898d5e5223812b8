"""The ASGI application that external systems call: it verifies, stores what to read again, and answers (G78-G80, N14).

Nothing but one insert happens before the answer; reading is the work of a run. What a call is turned away for stands in
the audit log; the caller sees a status that says nothing of us.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from connector_pipelines.errors import BrokenPage, DatabaseUnavailable, SyncError
from connector_pipelines.external.surroundings import Surroundings, restored
from connector_pipelines.notices import Delivery
from connector_pipelines.webhooks import inbox
from connector_pipelines.webhooks.admission import Callers, Refusal, inside, refused
from connector_pipelines.webhooks.refusals import Refusals

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from connector_pipelines.capabilities import Hook
    from connector_pipelines.external.line import Line
    from connector_pipelines.settings import Network
    from connector_pipelines.webhooks.metrics import Metrics

_LOG = logging.getLogger(__name__)

_BODY_SECONDS = 10.0
"""So long a body may take to arrive."""

_LATER = {"Retry-After": "30"}


@dataclass(frozen=True, slots=True)
class Registered:
    """A source that takes deliveries."""

    source: str
    connector: str
    hook: Hook


@dataclass(slots=True)
class Receiver:
    """Takes deliveries.

    Attributes:
        hooks: by the name of their source.
        line: to the database; what is stored over it must be durable.
        metrics: what is counted.
        shows_metrics_to: the networks that may read them.
        proxied: whether the addresses of callers come from a proxy that is trusted.
        clock: seconds, never going back.
    """

    hooks: Mapping[str, Registered]
    line: Line
    metrics: Metrics
    shows_metrics_to: Sequence[Network]
    proxied: bool = False
    clock: Callable[[], float] = time.monotonic
    refusals: Refusals = field(init=False)
    _callers: Callers = field(default_factory=Callers)

    def __post_init__(self) -> None:
        self.refusals = Refusals(self.line)

    async def deliver(self, request: Request) -> Response:
        """Answer a delivery: 200 once it is stored, 503 where the sender shall try again, else why it is refused."""
        began = self.clock()
        known = self.hooks.get(request.path_params["source"])
        outcome = await self._outcome(known, request)
        if isinstance(outcome, Refusal):
            source = known.source if known else None
            await run_in_threadpool(self.refusals.note, source, outcome, _address(request), self.clock())
        self.metrics.delivered(known.source if known else "unknown", _told(outcome), self.clock() - began)
        return _answer(outcome)

    async def _outcome(self, known: Registered | None, request: Request) -> Refusal | SyncError | int:
        """Why it is refused, why it could not be stored, or how many events are new."""
        if known is None:
            return Refusal.UNKNOWN
        options, address = known.hook.options, _address(request)
        if refusal := refused(options, address):
            return refusal
        if not self._callers.admit(known.source, address, options.deliveries_per_minute, self.clock()):
            return Refusal.TOO_OFTEN
        body = await _body(request, options.max_kilobytes * 1024)
        if isinstance(body, Refusal):
            return body
        return await run_in_threadpool(self.take, known, Delivery(dict(request.headers), body))

    def take(self, known: Registered, delivery: Delivery) -> Refusal | SyncError | int:
        """Verify a delivery and store what it says, for each source it concerns."""
        now, new = datetime.now(UTC), 0
        try:
            with restored(Surroundings(self.line)):
                if not known.hook.genuine(delivery, now):
                    return Refusal.NOT_GENUINE
                for one in self._concerned(known, delivery, now):
                    stored = inbox.store(self.line, one.source, one.hook.notices(delivery))
                    if stored.new is None and one is known:
                        return Refusal.UNKNOWN
                    new += stored.new or 0
        except BrokenPage:
            return Refusal.UNREADABLE
        except SyncError as error:
            return error.located(known.source, None)
        return new

    def _concerned(self, known: Registered, delivery: Delivery, now: datetime) -> list[Registered]:
        """The source that was called, and those that share the address with it."""
        others = (one for one in self.hooks.values() if one.connector == known.connector and one is not known)
        return [known, *(one for one in others if known.hook.shared and _genuine(one, delivery, now))]

    async def show_metrics(self, request: Request) -> Response:
        """Prometheus' text format; for those alone that may see it."""
        hidden = "x-forwarded-for" in request.headers and not self.proxied
        if hidden or not inside(_address(request), self.shows_metrics_to):
            return _answer(Refusal.UNKNOWN)
        try:
            return Response(await run_in_threadpool(self.metrics.text), media_type=self.metrics.media_type)
        except DatabaseUnavailable as error:
            return _answer(error)

    async def health(self, _: Request) -> Response:
        """200 while deliveries can be stored."""
        try:
            await run_in_threadpool(self.line.rows, "SELECT 1")
        except DatabaseUnavailable as error:
            return _answer(error)
        return JSONResponse({"status": "ok"})


def application(receiver: Receiver) -> Starlette:
    """The ASGI application of a receiver."""

    @asynccontextmanager
    async def life(_: Starlette) -> AsyncIterator[None]:
        yield
        await run_in_threadpool(receiver.refusals.flush)
        receiver.line.close()

    return Starlette(
        routes=[
            Route("/webhooks/{source}", receiver.deliver, methods=["POST"]),
            Route("/metrics", receiver.show_metrics, methods=["GET"]),
            Route("/health", receiver.health, methods=["GET"]),
        ],
        lifespan=life,
    )


def _genuine(other: Registered, delivery: Delivery, now: datetime) -> bool:
    """Whether a delivery to another source is genuine here, too; a source that cannot say holds up nobody else."""
    try:
        return other.hook.genuine(delivery, now)
    except SyncError as error:
        _LOG.error("%s takes nothing that is delivered to its neighbors: %s", other.source, error)
        return False


def _answer(outcome: Refusal | SyncError | int) -> Response:
    if isinstance(outcome, SyncError):
        _LOG.error("a call could not be answered: %s", outcome)
        return _said(HTTPStatus.SERVICE_UNAVAILABLE, _LATER)
    if isinstance(outcome, Refusal):
        return _said(outcome.status, _LATER if outcome is Refusal.TOO_OFTEN else None)
    return JSONResponse({"status": "ok"})


def _said(status: HTTPStatus, headers: Mapping[str, str] | None = None) -> Response:
    return JSONResponse({"error": status.phrase}, status_code=status, headers=headers)


def _told(outcome: Refusal | SyncError | int) -> str:
    if isinstance(outcome, Refusal):
        return outcome.reason
    return "not stored" if isinstance(outcome, SyncError) else "stored" if outcome else "nothing new"


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


async def _body(request: Request, limit: int) -> bytes | Refusal:
    """The body as it came, or why it is not read."""
    declared = request.headers.get("content-length", "0")
    if not declared.isdigit() or int(declared) > limit:
        return Refusal.TOO_LARGE
    parts: list[bytes] = []
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            async for part in request.stream():
                limit -= len(part)
                if limit < 0:
                    return Refusal.TOO_LARGE
                parts.append(part)
    except (TimeoutError, ClientDisconnect):
        return Refusal.UNREADABLE
    return b"".join(parts)
