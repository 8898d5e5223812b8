"""What a connector asks, held against the endpoints that its README names (requirement G127)."""

from __future__ import annotations

import inspect
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from requests.adapters import HTTPAdapter

from connector_pipelines.model import Window

if TYPE_CHECKING:
    import pytest
    from requests import PreparedRequest

    from connector_pipelines.model import Source

DECLARED = {"json_api", "csv_api"}
"""Their endpoints are what a declaration names."""

_ROW = re.compile(r"^\| `([^`]+)` \| ([^|]+) \|", re.MULTILINE)
_FUNCTION = re.compile(rb"(?:^|&)wsfunction=(\w+)")


def section(source: Source) -> str:
    """What the README says of endpoints."""
    readme = Path(inspect.getfile(source.connector.config)).with_name("README.md").read_text(encoding="utf-8")
    return readme.partition("\n## Endpoints\n")[2].partition("\n## ")[0]


def asked(source: Source, monkeypatch: pytest.MonkeyPatch) -> list[PreparedRequest]:
    """Every request of a connection test, of full reads and of reads of the last days."""
    seen: list[PreparedRequest] = []
    send = HTTPAdapter.send

    def noting(adapter: HTTPAdapter, request: PreparedRequest, *rest: Any, **how: Any) -> Any:
        seen.append(request)
        return send(adapter, request, *rest, **how)

    monkeypatch.setattr(HTTPAdapter, "send", noting)
    lately = Window(datetime.now(UTC) - timedelta(days=2))
    with source.connector.open(source.config) as client:
        source.connector.check(client)
        for stream in source.streams:
            for window in (Window(), lately) if stream.filters_by_time else (Window(),):
                list(stream.read(client, window).pages)
    return seen


def named(source: Source, request: PreparedRequest) -> str:
    """What a README calls the endpoint of a request."""
    auth = getattr(source.config, "auth", None)
    body = request.body if isinstance(request.body, bytes) else b""
    function = _FUNCTION.search(body)
    if function:
        return function[1].decode()
    if request.url == getattr(auth, "token_url", None) or (request.url or "").endswith("/oauth/token"):
        return f"{request.method} token_url"
    return f"{request.method} {urlsplit(str(request.url)).path.rstrip('/')}"


def pattern(endpoint: str) -> re.Pattern[str]:
    """What a README calls an endpoint, with anything in place of `{realm}`."""
    return re.compile("[^/]+".join(map(re.escape, re.split(r"\{\w+\}", endpoint))))


def test_the_readme_names_the_endpoints_that_are_asked(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every endpoint that is asked stands in the README with its version, and every one that stands there is asked."""
    told, requests = section(source), asked(source, monkeypatch)
    if source.connector.name in DECLARED:
        assert "Those that the declaration names" in told
        return
    endpoints = {endpoint: version.strip() for endpoint, version in _ROW.findall(told)}
    met: Counter[str] = Counter()
    for request in requests:
        name = named(source, request)
        [fitting] = [one for one in endpoints if pattern(one).fullmatch(name)] or [f"{name}, which is not there"]
        met[fitting] += 1
        for version in parse_qs(urlsplit(str(request.url)).query).get("minorversion", ()):
            assert f"minor version {version}" in endpoints[fitting]
    assert met.keys() == endpoints.keys()
    assert all(endpoints.values())
