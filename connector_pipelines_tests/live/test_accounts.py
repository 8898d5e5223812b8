"""Real accounts, where somebody has one: `pytest -m live` with the variables below set (E70). Writes nothing.

FINALE_ACCOUNT, FINALE_API_KEY, FINALE_API_SECRET; QUICKBOOKS_REALM_ID, QUICKBOOKS_CLIENT_ID, QUICKBOOKS_CLIENT_SECRET,
QUICKBOOKS_REFRESH_TOKEN of a sandbox company, whose refresh token is spent and replaced by this; GOOGLE_CLIENT_ID,
GOOGLE_CLIENT_SECRET, GOOGLE_REFRESH_TOKEN of a person who teaches in Classroom.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from connector_pipelines.connectors import connector
from connector_pipelines.external import vault
from connector_pipelines.external.surroundings import opened, share
from connector_pipelines.mapping.fingerprints import Sieve
from connector_pipelines.model import Source, Window
from connector_pipelines.settings import settings
from connector_pipelines.validation.accept import accept

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.live

ACCOUNTS: dict[str, dict[str, Any]] = {
    "finale": {
        "account": "FINALE_ACCOUNT",
        "auth": {"type": "api_key", "key": "env:FINALE_API_KEY", "secret": "env:FINALE_API_SECRET"},
    },
    "google_classroom": {
        "auth": {
            "type": "oauth2",
            "client_id": "env:GOOGLE_CLIENT_ID",
            "client_secret": "env:GOOGLE_CLIENT_SECRET",
            "refresh_token": "env:GOOGLE_REFRESH_TOKEN",
        },
    },
    "quickbooks": {
        "realm_id": "QUICKBOOKS_REALM_ID",
        "environment": "sandbox",
        "auth": {
            "client_id": "env:QUICKBOOKS_CLIENT_ID",
            "client_secret": "env:QUICKBOOKS_CLIENT_SECRET",
            "refresh_token": "env:QUICKBOOKS_REFRESH_TOKEN",
        },
    },
}
"""What a source of each says; names of variables stand for their values."""


def _needed(said: dict[str, Any]) -> list[str]:
    secrets = [str(value).removeprefix("env:") for value in said["auth"].values() if str(value).startswith("env:")]
    return [str(value) for value in said.values() if str(value).isupper()] + secrets


@pytest.fixture(params=ACCOUNTS)
def account(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Source]:
    """A source on a real account; skipped where its variables are not set."""
    said = ACCOUNTS[request.param]
    unset = [name for name in _needed(said) if not os.environ.get(name)]
    if unset:
        pytest.skip(f"no account of {request.param} to ask: {', '.join(unset)} not set")
    monkeypatch.setenv("CONNECTOR_PIPELINES_SECRET_KEYS", vault.new_key())
    settings.cache_clear()
    known = connector(request.param)
    told = {
        name: os.environ.get(str(value), value) if isinstance(value, str) else value for name, value in said.items()
    }
    yield Source("live", known, known.config.model_validate(told))
    settings.cache_clear()


def test_a_real_account_answers_as_its_simulator_does(account: Source, database: str) -> None:
    """The connection test is good, and the first page of every entity is split, read and hardly refused."""
    with share(database), opened(account) as client:
        assert account.connector.check(client).ok
        for stream in account.streams:
            page = next(iter(stream.read(client, Window()).pages), None)
            rows = len(page.rows) if page else 0
            found = accept(stream, [Sieve(0, None).sift(page)]) if page else None
            assert found is None or len(found.rejections) <= rows / 20
