"""Sends one request once. The only file that knows which HTTP library we use, so that it can be exchanged."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import replace
from typing import IO, TYPE_CHECKING, Any, Protocol
from urllib.parse import urljoin, urlsplit

import requests
from requests.structures import CaseInsensitiveDict

from connector_pipelines.errors import AuthFailed, BrokenPage, ConfigurationError
from connector_pipelines.external import redact
from connector_pipelines.external.bounded import TookTooLong, until
from connector_pipelines.external.messages import Request, Response, is_loopback, same_origin
from connector_pipelines.external.reach import Adapter, TlsVersion
from connector_pipelines.external.retry import Unreachable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

MAX_BYTES = 256 * 1024 * 1024
"""No page is larger; a body that goes on beyond this, decompressed, is a mistake or an attack."""

PATIENCE = 20
"""How many time-outs long a body may take, if nobody says otherwise: ten minutes at thirty seconds."""

_MOVED = {301, 302, 303, 307, 308}
_MAX_REDIRECTS = 5
_OLD_TLS = ("TLSV1_ALERT_PROTOCOL_VERSION", "UNSUPPORTED_PROTOCOL", "WRONG_VERSION_NUMBER", "alert protocol version")
_BLOCK = 1 << 20


class _Readable(Protocol):
    def read1(self, amt: int, *, decode_content: bool) -> bytes: ...


class Transport:
    """Sessions, time-outs, redirects and size limits.

    Args:
        timeout_seconds: for connecting, and for each wait for bytes.
        deadline_seconds: for a whole answer: one that drips never waits long for the next byte.
        max_bytes: the largest body, decompressed.
        oldest_tls: the oldest version of TLS that is spoken.
    """

    def __init__(
        self,
        *,
        timeout_seconds: float,
        deadline_seconds: float | None = None,
        max_bytes: int = MAX_BYTES,
        oldest_tls: TlsVersion = "1.3",
    ) -> None:
        self._timeout = timeout_seconds
        self._deadline = timeout_seconds * PATIENCE if deadline_seconds is None else deadline_seconds
        self._max_bytes = max_bytes
        self._oldest_tls: TlsVersion = oldest_tls
        self._idle: deque[requests.Session] = deque()
        self._all: list[requests.Session] = []
        self._environment: dict[tuple[str, str], dict[str, Any]] = {}
        redact.quiet_libraries()

    def exchange(self, request: Request, *, resign: Callable[[Request], Request] | None = None) -> Response:
        """Send a request and read the whole answer, following redirects within the same host.

        Args:
            request: with absolute URL, signed if need be.
            resign: signs a redirected request anew.

        Raises:
            Unreachable: no answer, or not all of it.
            AuthFailed: the server's certificate is not to be trusted.
            BrokenPage: the body is too large.
            ConfigurationError: the URL is unusable, or redirects to another host.
        """
        session = self._borrow()
        try:
            return self._follow(session, request, resign)
        except requests.exceptions.SSLError as error:
            raise _distrusted(request, error) from None
        except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema, UnicodeError):
            raise ConfigurationError(f"{redact.url(request.url)!r} is no usable URL.") from None
        except requests.exceptions.RequestException as error:
            raise Unreachable(_described(error)) from None
        finally:
            self._idle.append(session)

    def close(self) -> None:
        """Release every socket."""
        for session in self._all:
            session.close()

    def _borrow(self) -> requests.Session:
        try:
            return self._idle.pop()
        except IndexError:
            session = requests.Session()
            for scheme in ("http://", "https://"):
                session.mount(scheme, Adapter(self._oldest_tls))
            self._all.append(session)
            return session

    def _follow(
        self, session: requests.Session, request: Request, resign: Callable[[Request], Request] | None
    ) -> Response:
        for _ in range(_MAX_REDIRECTS):
            response = self._once(session, request)
            location = response.headers.get("Location")
            if response.status not in _MOVED or not location:
                return response
            target = urljoin(request.full_url, location)
            if not same_origin(request.url, target):
                raise ConfigurationError(
                    f"{redact.url(request.url)} redirects to {redact.url(target)}, where our credentials may not go.",
                    remedy="If that is the right place, set the base URL to it.",
                )
            request = replace(request, url=target, params=())
            request = resign(request) if resign else request
        raise ConfigurationError(f"{redact.url(request.url)} redirects without end.", remedy="Check the base URL.")

    def _once(self, session: requests.Session, request: Request) -> Response:
        started = time.monotonic()
        prepared = requests.Request(
            request.method, request.full_url, headers=_introduced(request.headers), data=request.body
        ).prepare()  # not the session's own: it would add credentials from .netrc
        with (
            until(started + self._deadline),
            session.send(
                prepared,
                stream=True,
                timeout=(self._timeout, self._timeout),
                allow_redirects=False,
                **self._settings(session, prepared),
            ) as answer,
        ):
            blocks = self._blocks(answer.raw, request)
            good = 200 <= answer.status_code < 300  # noqa: PLR2004 -- success
            body = _filed(blocks, request.into) if request.into and good else b"".join(blocks)
            headers = CaseInsensitiveDict(answer.headers)
            return Response(answer.status_code, headers, body, redact.url(request.full_url), time.monotonic() - started)

    def _settings(self, session: requests.Session, prepared: requests.PreparedRequest) -> dict[str, Any]:
        """Looked up once for each host: it walks the whole environment, which took longer than a request here."""
        origin = urlsplit(str(prepared.url))[:2]
        if origin not in self._environment:
            self._environment[origin] = _settings(session, prepared)
        return self._environment[origin]

    def _blocks(self, raw: _Readable, request: Request) -> Iterator[bytes]:
        from urllib3.exceptions import HTTPError

        size = 0
        try:
            while block := raw.read1(_BLOCK, decode_content=True):  # what is there; `read` would wait for a whole block
                size += len(block)
                if size > self._max_bytes:
                    most = f"{self._max_bytes:,} bytes"
                    raise BrokenPage(f"{redact.url(request.url)} sends over {most}.", remedy="Ask for less.")
                yield block
        except (HTTPError, OSError) as error:
            if isinstance(error.__cause__, TookTooLong):
                raise Unreachable(f"had not sent its whole answer after {self._deadline:g} s") from None
            raise Unreachable(f"broke off in the middle of its answer ({type(error).__name__})") from None


def _introduced(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The headers, with who we are: operators of a system look for that first, also among requests for tokens."""
    told = CaseInsensitiveDict({"User-Agent": "connector-pipelines"})
    told.update(headers)
    return dict(told)


def _filed(blocks: Iterable[bytes], file: IO[bytes]) -> bytes:
    """Write a body to a file, over what an earlier try left there; nothing remains to be held in memory."""
    file.seek(0)
    file.truncate()
    file.writelines(blocks)
    return b""


def _settings(session: requests.Session, prepared: requests.PreparedRequest) -> dict[str, Any]:
    """Proxies and certificate bundle from the environment; nothing between us and this machine."""
    url = str(prepared.url)
    found = session.merge_environment_settings(url, {}, stream=True, verify=None, cert=None)
    return {"verify": found["verify"], "proxies": {} if is_loopback(url) else found["proxies"]}


def _distrusted(request: Request, error: Exception) -> AuthFailed | ConfigurationError | Unreachable:
    """What is wrong with the encryption: a certificate, a version of TLS, or just this once."""
    if any(sign in str(error) for sign in _OLD_TLS):
        return ConfigurationError(
            f"{redact.url(request.url)} speaks no version of TLS that we do.",
            remedy="Have it updated to TLS 1.3; until then set oldest_tls to 1.2 for this source, which is audited.",
        )
    if "CERTIFICATE_VERIFY_FAILED" in str(error) or "CertificateError" in str(error):
        remedy = "Have the server's certificate mended, or name its authority in REQUESTS_CA_BUNDLE."
        return AuthFailed(f"{redact.url(request.url)} shows a certificate that is not to be trusted.", remedy=remedy)
    return Unreachable("broke off the TLS handshake")


def _described(error: requests.exceptions.RequestException) -> str:
    """What happened, for people; the library's text repeats the URL and with it perhaps secrets."""
    text = str(error)
    if isinstance(error, requests.exceptions.Timeout):
        return "did not answer in time"
    if "NameResolutionError" in text or "getaddrinfo" in text:
        return "has a host name that does not resolve"
    if "refused" in text:
        return "refused the connection"
    return f"broke off the connection ({type(error).__name__})"
