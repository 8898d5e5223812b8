from __future__ import annotations

import json
import logging
import re
from typing import Any
from urllib.parse import quote, quote_plus

import pytest

from connector_pipelines.external import redact
from connector_pipelines.external.auth import Basic
from connector_pipelines.external.http import Client
from connector_pipelines.external.messages import Request
from connector_pipelines.external.secrets import Secret
from connector_pipelines.external.tokens import Token

SECRET = "s3cr3t-v4lue"


@pytest.mark.parametrize(
    "raw",
    [
        f"https://m.example/rest?wstoken={SECRET}&function=f",
        f"https://q.example/?access_token={SECRET}",
        f"https://user:{SECRET}@host.example/path",
        f"https://h.example/a?client_secret={SECRET}#top",
        f"https://h.example/a?oauth_signature={SECRET}",
    ],
)
def test_urls_lose_their_secrets(raw: str) -> None:
    """A URL in an error or manifest shows where, and not with which credentials."""
    shown = redact.url(raw)
    assert SECRET not in shown
    assert ".example/" in shown


@pytest.mark.parametrize(
    "raw",
    [
        f"Authorization: Bearer {SECRET}",
        f"authorization: Basic {SECRET}",
        f'{{"access_token": "{SECRET}", "expires_in": 3600}}',
        f"grant_type=client_credentials&client_secret={SECRET}",
        f"{{'Authorization': 'Bearer {SECRET}'}}",
        f"sent Bearer {SECRET} and failed",
        f"password={SECRET}",
        f'OAuth oauth_consumer_key="{SECRET}", oauth_nonce="{SECRET}"',
        f"X-API-Key: {SECRET}",
    ],
)
def test_text_loses_its_secrets(raw: str) -> None:
    """Headers, forms and JSON in a message are shown without their credentials."""
    assert SECRET not in redact.text(raw)


def test_ordinary_text_stays() -> None:
    """What is no credential is shown as it is, filters and offsets included."""
    raw = "https://sis.example/users?limit=100&offset=0&filter=status%3D%27active%27"
    assert redact.url(raw) == raw
    assert redact.text("the source answered 500 for page 3") == "the source answered 500 for page 3"


def test_excerpt_is_one_short_line() -> None:
    """The beginning of a page fits into a sentence, whatever bytes it is made of."""
    assert redact.excerpt(b"<html>\n <h1>\xff\x00Hi</h1>" + b"x" * 1000) == "<html> <h1>\ufffd Hi</h1>" + "x" * 60


@pytest.mark.parametrize(
    "raw",
    [
        "no user with familyName='Lovelace' here",
        'invalid: {"givenName": "Augusta Ada Lovelace", "id": 7}',
        "https://sis.example/users?filter=familyName%3D%27Lovelace%27",
        "https://sis.example/users?filter=email%3D%27ada.Lovelace%40school.example%27&limit=5",
        "ada.lovelace@school.example is unknown",
        "phone: +44 20 Lovelace".replace("Lovelace", "7946 0958"),
        "username=Lovelace&limit=5",
        "Authorization: Bearer abcdefgh for (familyName: 'Lovelace')",
    ],
)
def test_text_loses_personal_data(raw: str) -> None:
    """Names, mail addresses and telephone numbers in a source's own words or in a filter are not shown."""
    shown = redact.text(raw)
    assert redact.HIDDEN in shown
    assert not {"lovelace", "augusta", "7946"} & set(re.findall(r"[a-z]+|\d+", shown.lower()))


@pytest.mark.parametrize("raw", ["ssn 078-05-1120 is taken", "call (555) 123-4567", "call 555-123-4567 now"])
def test_text_loses_numbers_of_people(raw: str) -> None:
    """Social security and telephone numbers go, wherever they stand."""
    assert not re.search(r"\d{4}", redact.text(raw))


@pytest.mark.parametrize(
    "raw",
    [
        "https://sis.example/users?limit=100&offset=2000&sort=familyName",
        "not before 2026-11-21T10:20:30.000Z, tried 4 times",
        "record 123456789 of 2000000000 at 127.0.0.1:8080 is a duplicate",
        "plan 0123456789ab, 555.12 of 1,234.50",
    ],
)
def test_numbers_of_things_stay(raw: str) -> None:
    """Times, ids, counts, amounts and addresses of machines are no personal data."""
    assert redact.text(raw) == raw


@pytest.mark.parametrize("part", ["x", "x-", "a.", "a@", "%", "a:", "a://", "1 ", "+1 ", "(", "name=%22", "token="])
def test_a_word_of_a_megabyte_is_looked_through(part: str) -> None:
    """The time that a text takes grows with its length alone: with its square, each of these would take hours."""
    assert len(redact.text(part * (1_000_000 // len(part)))) > 0


def test_libraries_log_no_secrets(stand: Any, answer: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Even at DEBUG the log lines of the HTTP library hold neither a token nor a name from a query."""
    server = stand(lambda _: answer())
    with caplog.at_level(logging.DEBUG), Client(server.url) as client:
        client.get("rest", {"wstoken": SECRET, "filter": "familyName='Lovelace'"})
    assert "/rest" in caplog.text
    assert SECRET not in caplog.text
    assert "Lovelace" not in caplog.text


@pytest.mark.parametrize("shown", ["{}", "the key {} is unknown", "?key={}&page=2", "/k/{}/items", '{{"k": "{}"}}'])
@pytest.mark.parametrize("value", ["k9-lives/in+a=b", 'quoted"and\\slashed', "plain0123456789"])
def test_credentials_that_were_used_are_known_by_their_value(value: str, shown: str) -> None:
    """A secret that was revealed is hidden wherever it stands and whatever it is called, also as it travels (E60)."""
    Secret.literal(value).reveal()
    for travelling in (value, quote(value, safe=""), quote_plus(value), json.dumps(value)[1:-1]):
        assert redact.text(shown.format(travelling)) == shown.format(redact.HIDDEN)


def test_tokens_that_were_fetched_are_known_too() -> None:
    """A token that a source issued is hidden from then on; short values, which may be words, are not looked for."""
    Token("tok3n-fr0m-the-source")
    Token("demo")
    assert redact.text("the demo has no session tok3n-fr0m-the-source") == "the demo has no session ***"


def test_a_password_is_known_as_basic_sends_it() -> None:
    """A source that repeats the Authorization header without its name shows neither user nor password."""
    signed = Basic(Secret.literal("somebody"), Secret.literal("pa55word")).sign(Request("https://a.example"), _nobody)
    sent = str(signed.header("Authorization")).removeprefix("Basic ")
    assert redact.text(f"no such account: {sent}") == "no such account: ***"


def test_the_latest_credentials_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that renews its token for weeks forgets the first ones, and hides the last ones."""
    monkeypatch.setattr(redact, "_MOST", 3)
    monkeypatch.setattr(redact, "_latest", {})
    tokens = [redact.remember(f"token-number-{number}") for number in range(5)]
    assert [redact.text(token) == redact.HIDDEN for token in tokens] == [False, False, True, True, True]


def _nobody(_: Request) -> Any:
    raise AssertionError
