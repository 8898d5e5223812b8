"""Refresh tokens that change: kept before they are used, by one writer at a time, sealed."""

from __future__ import annotations

import multiprocessing
import stat
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from connector_pipelines.connectors.quickbooks import client as quickbooks
from connector_pipelines.connectors.quickbooks.tokens import FileKeep, RotatingToken
from connector_pipelines.errors import AuthFailed, ConfigurationError, NetworkError
from connector_pipelines.external.http import Client, Request
from connector_pipelines.external.secrets import Secret
from connector_pipelines.model import Window

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass
class MemoryKeep:
    """Keeps a token in memory, and says when."""

    held: dict[str, Any] | None = None
    log: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def alone(self) -> Iterator[MemoryKeep]:
        """The slot."""
        with self.lock:
            yield self

    def read(self) -> dict[str, Any] | None:
        """What is kept."""
        return dict(self.held) if self.held else None

    def write(self, held: dict[str, Any]) -> None:
        """Keep it."""
        self.log.append(str(held["refresh_token"]))
        self.held = dict(held)


def read_vendors(company: Any, keep: Any = None) -> int:
    """How many vendors are read."""
    with quickbooks.connect(company.config(), keep) as client:
        return sum(len(page.rows) for page in quickbooks.vendors(client, Window()).pages)


def refreshes(company: Any) -> int:
    """How often a token was asked for."""
    return len(company.asked("token"))


def test_what_is_given_is_kept_before_it_is_used(company: Any) -> None:
    """A new refresh token is kept before the first request is sent with its access token."""
    company.simulator.set_faults(["rotate"])
    keep = MemoryKeep()
    seen: list[int] = []

    def write(held: dict[str, Any]) -> None:
        seen.append(len(company.simulator.requests))
        MemoryKeep.write(keep, held)

    keep.write = write  # type: ignore[method-assign]
    read_vendors(company, keep)
    assert seen == [1]  # the token request alone had been sent
    assert keep.log == [company.simulator.refresh_token]


def test_all_processes_use_what_one_was_given(company: Any) -> None:
    """A second process takes the access token that is kept, and asks for none of its own."""
    company.simulator.set_faults(["rotate"])
    for _ in range(3):
        assert read_vendors(company) == 40
    assert refreshes(company) == 1


def test_a_token_that_ends_between_two_pages(company: Any) -> None:
    """Access tokens that end after every third call are renewed on the way, each time with the newest refresh token."""
    company.simulator.set_faults(["rotate", "token-expiry=3"])
    assert len(company.ids("purchase_orders", page_size=20, in_flight=1)) == 90
    assert refreshes(company) > 2


def test_many_threads_renew_once(company: Any) -> None:
    """When the token of eight pages in flight ends, it is renewed once for all of them."""
    company.ids("purchase_orders")
    company.simulator.set_faults(["rotate"])
    company.simulator.expire_tokens()
    before = refreshes(company)
    assert len(company.ids("purchase_orders", page_size=20, in_flight=8)) == 90
    assert refreshes(company) == before + 1


def renew(folder: Path, url: str, started: Any, tokens: Any) -> None:
    """In a process of its own: sign once, when all others are ready, too."""
    keep = FileKeep(folder / "token", Secret.literal("app"))
    started.wait()
    oauth = _oauth(f"{url}/oauth2/v1/tokens/bearer")
    with Client(url) as http:
        request = RotatingToken(oauth, keep).sign(Request(url), http._plain)
    tokens.put(request.header("Authorization"))


def _oauth(token_url: str) -> Any:
    from connector_pipelines.connectors.quickbooks.config import OAuth2

    literal = {"client_id": "simulator", "client_secret": "simulator-secret"}
    secrets = {name: Secret.literal(value) for name, value in literal.items()}
    return OAuth2(**secrets, refresh_token=Secret.literal("simulated-refresh-token-1"), token_url=token_url)


def test_many_processes_renew_once(company: Any, tmp_path: Path) -> None:
    """Two processes that need a token at the same moment ask for one, and both have it; none gets invalid_grant."""
    company.simulator.set_faults(["rotate"])
    context = multiprocessing.get_context("spawn")
    started, tokens = context.Barrier(2), context.Queue()
    url = company.simulator.url
    processes = [context.Process(target=renew, args=(tmp_path, url, started, tokens)) for _ in range(2)]
    for process in processes:
        process.start()
    signed = {tokens.get(timeout=60) for _ in processes}
    for process in processes:
        process.join()
    assert len(signed) == 1
    assert refreshes(company) == 1


def test_a_refused_refresh_token_calls_a_person(company: Any) -> None:
    """invalid_grant is told with what happened and what to do; no token is in the message."""
    company.simulator.sign_in_again()
    with pytest.raises(AuthFailed, match="connect the app to the company again") as caught:
        read_vendors(company)
    assert "env:QB_TOKEN" in str(caught.value)
    assert "simulated-refresh-token" not in str(caught.value)
    assert refreshes(company) == 1


def test_signing_in_again_takes_precedence(company: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new token in the environment counts at once, whatever is kept."""
    company.simulator.set_faults(["rotate"])
    read_vendors(company)
    monkeypatch.setenv("QB_TOKEN", company.simulator.sign_in_again())
    assert read_vendors(company) == 40


@pytest.mark.parametrize(
    ("fault", "error", "says"),
    [("401:token", AuthFailed, "env:QB_ID and env:QB_SECRET"), ("500:token", NetworkError, "500")],
)
def test_a_token_endpoint_that_fails(company: Any, fault: str, error: type[Exception], says: str) -> None:
    """What the token endpoint says is told, with the secrets to check; nothing is kept."""
    company.simulator.set_faults([fault])
    keep = MemoryKeep()
    with pytest.raises(error, match=says):
        read_vendors(company, keep)
    assert keep.held is None


def test_an_answer_without_a_token(stand_in: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token endpoint that answers something else is an error that does not repeat what it said."""
    monkeypatch.setattr(stand_in, "answer", lambda _: (200, b'{"access": "s3cr3t"}', {}))
    with stand_in.client() as client, pytest.raises(AuthFailed, match="sent no token") as caught:
        next(quickbooks.vendors(client, Window()).pages)
    assert "s3cr3t" not in str(caught.value)


@pytest.fixture
def keep(tmp_path: Path) -> FileKeep:
    """A file to keep a token in."""
    return FileKeep(tmp_path / "tokens" / "company", Secret.literal("app"))


def test_a_file_keeps_what_it_was_given(keep: FileKeep) -> None:
    """What was kept last is read again, by another process, too; before the first time there is nothing."""
    with keep.alone() as slot:
        assert slot.read() is None
        slot.write({"refresh_token": "one"})
        slot.write({"refresh_token": "two"})
    with FileKeep(keep.path, Secret.literal("app")).alone() as slot:
        assert slot.read() == {"refresh_token": "two"}


def test_a_file_shows_nothing(keep: FileKeep) -> None:
    """The file holds no token that could be read, is its owner's alone, and opens with the same secret only."""
    with keep.alone() as slot:
        slot.write({"refresh_token": "c4nary"})
    assert b"c4nary" not in keep.path.read_bytes()
    assert stat.S_IMODE(keep.path.stat().st_mode) == 0o600
    assert FileKeep(keep.path, Secret.literal("other")).read() is None


def test_a_crash_while_keeping_leaves_the_old_one(keep: FileKeep, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that dies before the new token is in place leaves the old one whole."""
    with keep.alone() as slot:
        slot.write({"refresh_token": "old"})
        monkeypatch.setattr("pathlib.Path.replace", _die)
        with pytest.raises(KeyboardInterrupt):
            slot.write({"refresh_token": "new"})
        assert slot.read() == {"refresh_token": "old"}


def _die(*_: object) -> None:
    raise KeyboardInterrupt


def test_no_token_is_spent_where_none_can_be_kept(company: Any, tmp_path: Path) -> None:
    """Where tokens cannot be kept, none is asked for: its successor would be lost."""
    (tmp_path / "file").write_text("")
    unusable = FileKeep(tmp_path / "file" / "token", Secret.literal("app"))
    with pytest.raises(ConfigurationError, match="CONNECTOR_PIPELINES_LOCAL_DIR"):
        read_vendors(company, unusable)
    assert company.simulator.requests == []
