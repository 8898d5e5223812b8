"""What a connector sends, held against requests that were recorded and looked at (requirement G26)."""

from __future__ import annotations

import json
import re
from base64 import b64decode, urlsafe_b64decode
from binascii import Error as NotBase64
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from os import environ
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from requests.adapters import HTTPAdapter

from connector_pipelines.external.latency import endpoint
from connector_pipelines.external.messages import Request
from connector_pipelines.model import Mode, Window

if TYPE_CHECKING:
    from collections.abc import Callable

    from requests import PreparedRequest

    from connector_pipelines.model import Source, Stream

GOLDEN = Path(__file__).with_name("golden")
RENEW = "RENEW_GOLDEN"
"""Set, the requests are recorded anew, for somebody to look at the difference."""

SECRET = {"client_secret", "code", "password", "refresh_token", "token", "wstoken"}
UNTOLD = {"Connection", "Content-Length"}
"""Headers that are the library's own, or follow from the body."""

NOW = datetime.now(UTC).replace(microsecond=0)
SPAN = Window(NOW - timedelta(hours=27), NOW - timedelta(hours=3))
"""Some systems are asked otherwise about what is long ago, so this is lately, and told by its distance."""

_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?|(?<!\d)1[789]\d{8}(?!\d)")


def named(found: re.Match[str]) -> str:
    """A moment by its distance to the window that was asked for, and by its form; others as they are."""
    text = found[0]
    moment = datetime.fromtimestamp(int(text), UTC) if text.isdigit() else datetime.fromisoformat(text)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    for name, known in (("since", SPAN.since), ("until", SPAN.until), ("now", NOW)):
        apart = round((moment - known).total_seconds()) if known else 0
        if abs(apart) <= 1_800:
            far = 0 if name == "now" else apart
            return f"<{name}{f' {far:+d} s' if far else ''}, as {re.sub(r'[0-9]', '0', text)}>"
    return text


def readable(name: str, value: str) -> str:
    """A value without secrets, moments by their names; what is JSON in base64 is shown as JSON."""
    if name in SECRET:
        return "***"
    if name == "assertion":
        return claimed(value)
    try:
        plain = b64decode(value, validate=True).decode()
        json.loads(plain)
        value = f"base64 of {plain}" if plain.startswith("{") else value
    except (NotBase64, ValueError):
        pass
    return _MOMENT.sub(named, value)


def claimed(assertion: str) -> str:
    """What a signed token says, without its signature; its times by how far they are apart, addresses without ports."""
    header, claims = (json.loads(urlsafe_b64decode(f"{part}===")) for part in assertion.split(".")[:2])
    lives = claims.pop("exp") - claims.pop("iat")
    told = json.dumps({"header": header, "claims": claims, "lives, s": lives}, sort_keys=True)
    return re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1", told)


def pairs(encoded: str) -> list[str]:
    """What a query or a form says, in its order."""
    return [f"{name}={readable(name, value)}" for name, value in parse_qsl(encoded, keep_blank_values=True)]


def told(request: PreparedRequest, how: dict[str, Any]) -> dict[str, Any]:
    """One request as it is recorded."""
    url, body = urlsplit(str(request.url)), request.body
    headers = {name: str(value) for name, value in request.headers.items() if name not in UNTOLD}
    if "Authorization" in headers:
        headers["Authorization"] = f"{headers['Authorization'].partition(' ')[0]} ***"
    form = headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded")
    text = body.decode() if isinstance(body, bytes) else body or ""
    return {
        "request": f"{request.method} {url.path}",
        "params": pairs(url.query),
        "headers": headers,
        "body": pairs(text) if form else _MOMENT.sub(named, text),
        "timeout": list(how["timeout"]),
        "certificates are verified": bool(how["verify"]),
    }


@dataclass
class Recorder:
    """Notes what is sent."""

    sent: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def attach(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Listen to every request of this process."""
        send = HTTPAdapter.send

        def noting(adapter: HTTPAdapter, request: PreparedRequest, **how: Any) -> Any:
            self.sent.append((called(request), told(request, how)))
            return send(adapter, request, **how)

        monkeypatch.setattr(HTTPAdapter, "send", noting)

    def asked(self, source: Source, ask: Callable[[Any], object]) -> dict[str, dict[str, Any]]:
        """The first request to each endpoint, first by what it says: threads send pages in any order."""
        self.sent.clear()
        with source.connector.open(source.config) as client:
            ask(client)
        by_endpoint: dict[str, list[dict[str, Any]]] = {}
        for name, request in self.sent:
            by_endpoint.setdefault(name, []).append(request)
        return {name: min(by_endpoint[name], key=json.dumps) for name in sorted(by_endpoint)}


def called(request: PreparedRequest) -> str:
    """The endpoint of a request; Moodle's functions share an address."""
    address = Request(str(request.url), method=str(request.method))
    function = re.search(rb"(?:^|&)wsfunction=(\w+)", request.body) if isinstance(request.body, bytes) else None
    path = re.sub(r"/PO-\d+", "/{id}", endpoint(address))
    return path + (f" {function[1].decode()}" if function else "")


def recorded(source: Source, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What is sent first, by what was asked: a connection test, everything of an entity, and what changed in a day."""
    recorder = Recorder()
    recorder.attach(monkeypatch)
    found = {"connection test": recorder.asked(source, source.connector.check)}
    for stream in source.streams:
        for window in (Window(), SPAN) if stream.filters_by_time else (Window(),):
            what = "everything" if window.mode is Mode.FULL else "a day"
            found[f"{stream.entity}, {what}"] = recorder.asked(source, reader(stream, window))
    return found


def reader(stream: Stream, window: Window) -> Callable[[Any], object]:
    """Reads a window to its end."""
    return lambda client: list(stream.read(client, window).pages)


def test_the_first_requests_are_the_recorded_ones(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the first request to each endpoint, path, parameters, headers, body and time-out are as recorded."""
    file = GOLDEN / f"{source.connector.name}.json"
    found = recorded(source, monkeypatch)
    if environ.get(RENEW):
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        pytest.skip(f"{file.name} is written; look at the difference")
    assert file.exists(), f"record them with {RENEW}=1, and look at them"
    assert found == json.loads(file.read_text(encoding="utf-8"))


def test_no_recorded_request_holds_a_secret(source: Source) -> None:
    """No credential of a simulator, and no token it issued, stands in what is kept."""
    kept = (GOLDEN / f"{source.connector.name}.json").read_text(encoding="utf-8")
    credentials = [value for name, value in environ.items() if name.startswith("CONTRACT_")]
    assert [value for value in credentials if value != "simulator" and value in kept] == []
    assert not re.search(r"(?i)(bearer|basic) [^*]", kept)
