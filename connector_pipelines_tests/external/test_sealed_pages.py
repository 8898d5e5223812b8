"""Sealed pages tell nobody anything without their key, and are the same pages with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from connector_pipelines.errors import BrokenPage, ConfigurationError
from connector_pipelines.external import vault
from connector_pipelines.external.landing import Landing
from connector_pipelines.pages import Page
from connector_pipelines.settings import settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

OLD, NEW = vault.new_key(), vault.new_key()
BODY = b'{"users": [{"givenName": "Canaria"}]}' * 20


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Says which keys there are, the newest first."""

    def say(*given: str) -> None:
        monkeypatch.setenv("CONNECTOR_PIPELINES_SECRET_KEYS", ",".join(given))
        settings.cache_clear()

    say(OLD)
    yield say
    settings.cache_clear()


@pytest.fixture(params=["disk", "object store"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where to land: a folder, or an object store (fsspec's own, in memory)."""
    return str(tmp_path / "landing") if request.param == "disk" else f"memory://sealed-{tmp_path.name}"


def land(root: str, read: int, *, sealed: bool = True) -> Landing:
    """A read of one page."""
    landing = Landing(root, sealed=sealed)
    with landing.open("sis", "students", read) as writer:
        writer.add(Page(1, "https://x.example/users", 200, BODY, [b"{}"]))
        writer.close(complete=True)
    return landing


def body(landing: Landing, read: int) -> bytes:
    """What the read's page holds."""
    [page] = landing.pages("sis", "students", read)
    return page.body


def kept(landing: Landing, read: int) -> bytes:
    """The bytes of its file."""
    [file] = [path for path in landing._folder("sis", "students", read).iterdir() if path.name.startswith("page-")]
    return file.read_bytes()


@pytest.mark.usefixtures("keys")
def test_sealed_pages_come_back_and_say_nothing(root: str) -> None:
    """What is read is what was landed; the file holds neither a word of it nor a zstd frame, and hardly more bytes."""
    plain, sealed = land(root, 1, sealed=False), land(root, 2)
    assert body(plain, 2) == body(sealed, 1) == BODY
    frame = kept(plain, 1)[:4]
    assert frame not in kept(sealed, 2)
    assert b"Canaria" not in kept(sealed, 2)
    assert len(kept(sealed, 2)) < len(kept(plain, 1)) + 80


def test_a_key_is_replaced_in_three_steps(root: str, keys: Callable[..., None]) -> None:
    """With a new key in front both open; after resealing the old one is not needed; again there is nothing to do."""
    landing = land(root, 1)
    keys(NEW, OLD)
    land(root, 2)
    assert [body(landing, read) for read in (1, 2)] == [BODY, BODY]
    assert landing.reseal() == 1
    assert landing.reseal() == 0
    keys(NEW)
    assert [body(landing, read) for read in (1, 2)] == [BODY, BODY]


def test_without_its_key_a_page_says_which_is_missing(root: str, keys: Callable[..., None]) -> None:
    """That is no damaged page: nothing may take it for one and remove it."""
    landing = land(root, 1)
    keys(NEW)
    with pytest.raises(ConfigurationError, match=r"none of the keys opens the landed page .*page-000001\.zst\.fernet"):
        body(landing, 1)
    with pytest.raises(ConfigurationError, match="none of the keys opens the landed page"):
        landing.reseal()
    keys()
    with pytest.raises(ConfigurationError, match="without a key nobody can seal or open the landed page"):
        body(landing, 1)
    with pytest.raises(ConfigurationError, match="without a key nobody can seal or open landed pages"):
        land(root, 2)


@pytest.mark.usefixtures("keys")
def test_a_damaged_page_in_the_clear_still_says_so(root: str) -> None:
    """Of a page that is not sealed it is known that it is damaged."""
    landing = land(root, 1, sealed=False)
    (landing._folder("sis", "students", 1) / "page-000001.zst").write_bytes(b"damaged")
    with pytest.raises(BrokenPage, match="missing or damaged"):
        body(landing, 1)


@pytest.mark.parametrize(
    ("said", "given", "sealed"),
    [(None, "", False), (None, OLD, True), ("false", OLD, False), ("true", OLD, True), ("true", "", True)],
    ids=["no key", "a key", "off", "on", "on without a key"],
)
def test_pages_are_sealed_where_there_is_a_key_or_as_the_settings_say(
    monkeypatch: pytest.MonkeyPatch, keys: Callable[..., None], said: str | None, given: str, *, sealed: bool
) -> None:
    """By itself as soon as somebody has a key; switched on without one, landing fails and says so."""
    if said is not None:
        monkeypatch.setenv("CONNECTOR_PIPELINES_LANDING_SEALED", said)
    keys(*filter(None, [given]))
    assert settings().seals_landing is sealed
