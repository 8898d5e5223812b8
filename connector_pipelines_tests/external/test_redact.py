from __future__ import annotations

import pytest

from connector_pipelines.external import redact

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
