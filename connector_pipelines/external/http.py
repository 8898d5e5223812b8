"""The HTTP client all connectors share.

Certificates are always verified, plain http is for this machine alone, and credentials never follow a redirect to
another host.
"""

from __future__ import annotations

from dataclasses import replace
from threading import Event
from typing import TYPE_CHECKING, Self

from connector_pipelines.external import redact
from connector_pipelines.external.messages import Request, Response, checked_url
from connector_pipelines.external.retry import Call, Do, Policy, pause, persist

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from connector_pipelines.external.auth import Auth

__all__ = ["Client", "Request", "Response"]

_ANY_4XX_IS_AN_ANSWER = dict.fromkeys((400, 401, 403, 404), Do.ACCEPT)


class Client:
    """Talks to one source. Safe to use from many threads; each request has a session of its own while it lasts.

    Args:
        base_url: what relative request URLs are appended to.
        auth: signs every request.
        timeout_seconds: for connecting, and for each wait for bytes.
        policy: when to ask again.
        headers: sent with every request.
        explain: finds the source's own words in an error answer.
        max_bytes: the largest body, decompressed; None for the usual limit.
        sleep: waits between tries.

    Raises:
        ConfigurationError: the base URL is unusable, or would send credentials unencrypted.
    """

    def __init__(
        self,
        base_url: str,
        auth: Auth | None = None,
        *,
        timeout_seconds: float = 30.0,
        policy: Policy | None = None,
        headers: Mapping[str, str] | None = None,
        explain: Callable[[Response], str] = lambda _: "",
        max_bytes: int | None = None,
        sleep: Callable[[float, Event], None] = pause,
    ) -> None:
        from connector_pipelines.external.transport import MAX_BYTES, Transport

        self.base_url = checked_url(base_url).rstrip("/")
        self._auth = auth
        self._transport = Transport(timeout_seconds=timeout_seconds, max_bytes=max_bytes or MAX_BYTES)
        self._policy = policy or Policy()
        self._headers = {"Accept": "application/json", "User-Agent": "connector-pipelines"} | dict(headers or {})
        self._explain = explain
        self._sleep = sleep

    def get(self, url: str, params: Mapping[str, str] | None = None) -> Response:
        """One GET; see `send`."""
        return self.send(Request(url, tuple((params or {}).items())))

    def send(self, request: Request, stop: Event | None = None) -> Response:
        """Send a request, signed, as often as the policy says.

        Args:
            request: what to ask.
            stop: set it to give up waiting between tries.

        Raises:
            SyncError: as `retry.persist` names them.
            BrokenPage: the answer is larger than allowed.
            ConfigurationError: the source redirects to another host.
        """
        asked = replace(request, url=self._absolute(request.url)).with_headers(self._headers | dict(request.headers))
        auth, signed = self._auth, asked

        def once() -> Response:
            nonlocal signed
            if auth is None:
                return self._transport.exchange(asked)
            signed = auth.sign(asked, self._plain)
            return self._transport.exchange(signed, resign=lambda moved: auth.sign(moved, self._plain))

        call = Call(
            endpoint=f"{request.method} {redact.url(asked.url)}",
            send=once,
            refresh=lambda: auth is not None and auth.refresh(signed, self._plain),
            credentials=auth.credentials if auth else "",
            explain=self._explain,
        )
        return persist(call, self._policy, stop=stop or Event(), sleep=self._sleep)

    def _plain(self, request: Request) -> Response:
        """Send without signing; a 4xx is an answer here. So tokens are fetched, by the same rules as all else."""
        checked_url(request.url)
        call = Call(f"{request.method} {redact.url(request.url)}", lambda: self._transport.exchange(request))
        policy = replace(self._policy, overrides=_ANY_4XX_IS_AN_ANSWER)
        return persist(call, policy, stop=Event(), sleep=self._sleep)

    def _absolute(self, url: str) -> str:
        return url if "://" in url else f"{self.base_url}/{url.removeprefix('/')}"

    def close(self) -> None:
        """Release every socket."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
