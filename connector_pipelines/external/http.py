"""The HTTP client all connectors share.

Certificates are always verified, plain http is for this machine alone, and credentials never follow a redirect, or a
link to the next page, to another host.
"""

from __future__ import annotations

import time
from contextlib import nullcontext
from dataclasses import replace
from logging import DEBUG
from threading import Event
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from connector_pipelines.errors import ConfigurationError, RateLimited
from connector_pipelines.external import journal, redact, surroundings
from connector_pipelines.external.cache import HOUR_SECONDS, Cache
from connector_pipelines.external.gate import Gate
from connector_pipelines.external.limits import LANES, Limits
from connector_pipelines.external.messages import Request, Response, checked_url, same_origin
from connector_pipelines.external.meter import Heard, Meter
from connector_pipelines.external.retry import (
    Call,
    Do,
    Policy,
    pause,
    persist,
    spent,
    utc_now,
)
from connector_pipelines.external.sunset import Announcements
from connector_pipelines.external.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager
    from logging import Logger

    from connector_pipelines.external.auth import Auth
    from connector_pipelines.external.cache import Looks
    from connector_pipelines.external.reach import TlsVersion
    from connector_pipelines.external.surroundings import Surroundings

__all__ = ["Client", "Request", "Response"]

_ANY_4XX_IS_AN_ANSWER = dict.fromkeys((400, 401, 403, 404), Do.ACCEPT)


class Client:
    """Talks to one source. Safe to use from many threads; each request has a session of its own while it lasts.

    Within `surroundings.share` its limits, pauses, breaker and cached answers are those of all processes.

    Args:
        base_url: what relative request URLs are appended to.
        auth: signs every request.
        timeout_seconds: for connecting, and for each wait for bytes.
        deadline_seconds: for a whole body; None for twenty time-outs.
        policy: when to ask again.
        limits: what the source allows.
        headers: sent with every request.
        explain: finds the source's own words in an error answer.
        max_bytes: the largest body, decompressed; None for the usual limit.
        cache_seconds: how long a person who looks may be shown an answer again; 0 for never.
        oldest_tls: "1.2" for a source that knows no better; that is noted in the audit log.
        other_origins: other hosts of the same source, which may see its credentials: "https://files.sis.example".
        sleep: waits between tries, and for limits.

    Raises:
        ConfigurationError: the base URL is unusable, or would send credentials unencrypted.
    """

    def __init__(
        self,
        base_url: str,
        auth: Auth | None = None,
        *,
        timeout_seconds: float = 30.0,
        deadline_seconds: float | None = None,
        policy: Policy | None = None,
        limits: Limits | None = None,
        headers: Mapping[str, str] | None = None,
        explain: Callable[[Response], str] = lambda _: "",
        max_bytes: int | None = None,
        cache_seconds: float = HOUR_SECONDS,
        oldest_tls: TlsVersion = "1.3",
        other_origins: Sequence[str] = (),
        sleep: Callable[[float, Event], None] = pause,
    ) -> None:
        from connector_pipelines.external.transport import MAX_BYTES, Transport

        self.base_url = checked_url(base_url).rstrip("/")
        self._origins = (self.base_url, *map(checked_url, other_origins))
        self._auth = auth
        self._transport = Transport(
            timeout_seconds=timeout_seconds,
            deadline_seconds=deadline_seconds,
            max_bytes=max_bytes or MAX_BYTES,
            oldest_tls=oldest_tls,
        )
        self._policy = policy or Policy()
        self._headers = {"Accept": "application/json"} | dict(headers or {})
        self._explain = explain
        self._sleep = sleep
        self._around = around = surroundings.current()
        scope = _scope(base_url, limits)
        limits = _patient(limits or Limits(), around.lane if around else "urgent")
        self.log = journal.of(around.source if around else "")
        self._turns = _turns(around, scope, limits, sleep, self.log)
        self._meter = Meter(around.line, around.source, scope) if around else None
        self._announcements = Announcements(around, self.log)
        self._cache = Cache(around) if around and cache_seconds else None
        self._cache_seconds = cache_seconds
        if around and oldest_tls != "1.3":
            surroundings.note(around, "older TLS allowed", {"host": urlsplit(base_url).hostname, "oldest": oldest_tls})

    def get(self, url: str, params: Mapping[str, str] | None = None) -> Response:
        """One GET; see `send`."""
        return self.send(Request(url, tuple((params or {}).items())))

    def send(self, request: Request, stop: Event | None = None, *, fresh: bool = False) -> Response:
        """Send a request, signed, as often as the policy says and when the limits allow.

        Within `cache.looked_at`, an answer that is not older than `cache_seconds` will do.

        Args:
            request: what to ask.
            stop: set it to give up waiting between tries.
            fresh: whether it is asked in any case: it does something, or asks how far something is.

        Raises:
            SyncError: as `retry.persist` names them.
            RateLimited: the limits leave no turn within their patience.
            BrokenPage: the answer is larger than allowed.
            ConfigurationError: the URL leads to another host, or the source redirects there.
        """
        asked, waits = self._whole(request), stop or Event()
        looks = self._around.looks if self._around else None
        if looks is None or self._cache is None or fresh or asked.into:
            return self._send(asked, waits)
        return self._looked(looks, self._cache, asked, waits)

    def _looked(self, looks: Looks, cache: Cache, asked: Request, stop: Event) -> Response:
        """An answer for a person; where the source's limits are spent an older one will do, too (E41)."""
        kept = cache.find(asked)
        if kept and kept.age_seconds < self._cache_seconds and not looks.fresh:
            return looks.again(kept)
        try:
            response = self._send(asked, stop, patience=0.0 if kept else None)
        except RateLimited:
            if kept is None:
                raise
            return looks.again(kept)
        looks.answers.append((asked, response))
        return response

    def _send(self, asked: Request, stop: Event, *, patience: float | None = None) -> Response:
        signed = asked
        with self._turns.watched(asked) as watch:

            def once() -> Response:
                nonlocal signed
                with self._turns.seats(asked, stop):
                    watch.tell = self._turns.wait(asked, stop, patience=patience) or watch.tell
                    signed = self._sign(asked)
                    return self._exchange(signed)

            function = f", {asked.counts_as}," if asked.counts_as else ""
            call = Call(
                endpoint=f"{asked.method} {redact.url(asked.url)}{function}",
                send=once,
                refresh=lambda: self._refresh(signed),
                credentials=self._auth.credentials if self._auth else "",
                explain=lambda response: redact.text(self._explain(response)),
            )
            policy = self._policy if patience is None else replace(self._policy, max_waits=0)
            return persist(call, policy, stop=stop, sleep=self._sleep)

    def _exchange(self, signed: Request) -> Response:
        """Send once; if the answer says that we ask too often, or now as often as we may, everybody is told at once."""
        timed: AbstractContextManager[list[Heard]] = self._meter.timed(signed) if self._meter else nullcontext([])
        started = time.monotonic()
        with timed as answered:
            response = self._transport.exchange(signed, resign=self._sign)
            answered.append(heard := Heard(response.status, self._policy.action(response)))
        if self.log.isEnabledFor(DEBUG):
            said = (response.status, len(response.body), time.monotonic() - started)
            self.log.debug("%s %s: %d, %d bytes, %.3f s", signed.method, redact.url(signed.url), *said)
        self._announcements.hear(signed, response)
        if heard.means is Do.WAIT:
            told = self._policy.lifted(response, utc_now())
            self._turns.paused(self._policy.unsaid(1) if told is None else told)
        elif heard.means is Do.ACCEPT and (left := spent(response, utc_now())):
            self._turns.paused(left)
        return response

    def _sign(self, request: Request) -> Request:
        with surroundings.restored(
            self._around
        ):  # pages are fetched by threads that were not there when we were opened
            return self._auth.sign(request, self._plain) if self._auth else request

    def _refresh(self, refused: Request) -> bool:
        with surroundings.restored(self._around):
            return self._auth is not None and self._auth.refresh(refused, self._plain)

    def _plain(self, request: Request) -> Response:
        """Send without signing; a 4xx is an answer here. So tokens are fetched, by the same rules as all else."""
        checked_url(request.url)
        call = Call(f"{request.method} {redact.url(request.url)}", lambda: self._transport.exchange(request))
        policy = replace(self._policy, overrides=_ANY_4XX_IS_AN_ANSWER)
        return persist(call, policy, stop=Event(), sleep=self._sleep)

    def _whole(self, request: Request) -> Request:
        """The request with absolute URL and all headers.

        Raises:
            ConfigurationError: its URL leads to another host, where our credentials may not go.
        """
        url = request.url if "://" in request.url else f"{self.base_url}/{request.url.removeprefix('/')}"
        if not any(same_origin(ours, url) for ours in self._origins):
            raise ConfigurationError(
                f"{redact.url(self.base_url)} leads on to {redact.url(url)}, where our credentials may not go.",
                remedy="If that is the same source behind another name, set the base URL to it.",
            )
        return replace(request, url=url).with_headers(self._headers | dict(request.headers))

    def close(self) -> None:
        """Release every socket, and write what was counted."""
        self._transport.close()
        if self._meter:
            self._meter.write()
        self._announcements.write()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _patient(limits: Limits, lane: str) -> Limits:
    """The limits, with the patience of a lane that has more of it."""
    return replace(limits, patience_seconds=max(limits.patience_seconds, LANES[lane].patience_seconds))


def _turns(
    around: Surroundings | None, scope: str, limits: Limits, sleep: Callable[[float, Event], None], log: Logger
) -> Turns:
    """The turns of a client; with others, where it has surroundings."""
    if around is None:
        return Turns(limits, None, sleep, log)
    line, lane = around.line, LANES[around.lane]
    services = {one.name: Gate(line, one.scope(scope), lane) for one in limits.services}
    return Turns(limits, Gate(line, scope, lane), sleep, log, services)


def _scope(base_url: str, limits: Limits | None) -> str:
    """Whose budgets a client spends: its host's, or those of an account there."""
    host = urlsplit(base_url).netloc.rpartition("@")[2]
    return f"{host} {limits.scope}" if limits and limits.scope else host
