"""A read that fails says so, changes nothing, and the next good one is complete."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from connector_pipelines.errors import Category, SyncError

if TYPE_CHECKING:
    from connector_pipelines.connectors.oneroster.simulator import Simulator
    from connector_pipelines.model import Source

ENTITIES = ("organizations", "students")


@dataclass(frozen=True)
class Bad:
    """What goes wrong, how it is called, and what the message must say besides source and entity."""

    fault: str | None
    category: Category
    says: tuple[str, ...]
    config: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, str | None] = field(default_factory=dict)


AUTH, DATA, NETWORK = Category.AUTH_FAILED, Category.DATA_ERROR, Category.NETWORK_ERROR
BAD = {
    "closed port": Bad(None, NETWORK, ("tried 4 times", "Try again later."), {"base_url": "http://127.0.0.1:9"}),
    "wrong path": Bad(None, DATA, ("404", "Check the base URL"), {"base_url": "{url}/wrong/v1p2"}),
    "wrong secret": Bad(None, AUTH, ("401", "env:WHOLE_SECRET"), environment={"WHOLE_SECRET": "wr0ng-secret"}),
    "unset secret": Bad(None, AUTH, ("WHOLE_SECRET", "not set"), environment={"WHOLE_SECRET": None}),
    "auth-down": Bad("auth-down", AUTH, ("401", "Check")),
    "forbidden": Bad("forbidden", AUTH, ("403", "allowed to read")),
    "html-200": Bad("html-200", DATA, ("HTML",)),
    "truncated": Bad("truncated", DATA, ("JSON",)),
    "wrong-charset": Bad("wrong-charset", DATA, ("UTF-8",)),
    "missing-envelope": Bad("missing-envelope", DATA, ("students",)),
    "null-envelope": Bad("null-envelope", DATA, ("students",)),
    "repeat-page": Bad("repeat-page", DATA, ("repeats a page",)),
    "reset": Bad("reset", NETWORK, ("tried 4 times", "Try again later.")),
    "500": Bad("500", NETWORK, ("500", "tried 4 times")),
    "503": Bad("503=99", NETWORK, ("503", "tried 4 times")),
    "429": Bad("429", Category.RATE_LIMITED, ("429", "Run it less often")),
    "stall": Bad("stall", NETWORK, ("tried 1 time", "Try again later."), {"timeout_seconds": 1, "max_retries": 0}),
}
AT_PAGE_2 = (
    "forbidden",
    "html-200",
    "truncated",
    "wrong-charset",
    "missing-envelope",
    "null-envelope",
    "repeat-page",
    "reset",
    "500",
    "429",
)


def spoil(simulator: Simulator, bad: Bad, place: Any, monkeypatch: pytest.MonkeyPatch, page: int) -> Source:
    """Let it go wrong for students, from this page on."""
    for name, value in bad.environment.items():
        monkeypatch.delenv(name) if value is None else monkeypatch.setenv(name, value)
    if bad.fault == "auth-down":
        simulator.set_faults(["auth-down"])
    elif bad.fault:
        ever = [f"{bad.fault}:students"] if page == 1 else [f"{bad.fault}@{n}:students" for n in range(page, 60)]
        simulator.set_faults(ever)
    config = {k: v.format(url=simulator.url) if isinstance(v, str) else v for k, v in bad.config.items()}
    source: Source = place.source(simulator, **config)
    return source


def check(place: Any, source: Source, simulator: Simulator, bad: Bad) -> None:
    """The sync ends with the right words, its run is failed with them, and neither core nor plans have changed."""
    before, plans = place.checksum(), place.rows("SELECT count(*) FROM connector.sync_plans")
    with pytest.raises(SyncError) as caught:
        place.sync(source, "students")
    message = str(caught.value)
    assert caught.value.category is bad.category
    assert message.startswith("district/students: ")
    assert "What to do: " in message
    assert [word for word in bad.says if word not in message] == []
    assert not any(secret in message for secret in (simulator.client_secret, "wr0ng-secret"))
    run = "SELECT state, error_category, error FROM connector.sync_runs ORDER BY id DESC LIMIT 1"
    assert place.rows(run) == [("failed", bad.category, message)]
    assert (place.checksum(), place.rows("SELECT count(*) FROM connector.sync_plans")) == (before, plans)


def mend(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """All is well again."""
    simulator.clear_faults()
    monkeypatch.setenv("WHOLE_SECRET", simulator.client_secret)


@pytest.mark.parametrize("name", BAD)
def test_first_page_fails(
    place: Any, simulator: Simulator, truth: Any, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A first read that fails is a named failure, leaves core empty, and the next good one is complete."""
    place.sync(place.source(simulator), "organizations")
    check(place, spoil(simulator, BAD[name], place, monkeypatch, 1), simulator, BAD[name])
    mend(simulator, monkeypatch)
    place.sync(place.source(simulator), "students")
    assert place.core("students") == truth(simulator)["students"]


@pytest.mark.parametrize("name", AT_PAGE_2)
def test_second_page_fails(
    place: Any, simulator: Simulator, truth: Any, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A read that fails half-way after a good one plans nothing of what it saw, and the next good one is complete."""
    place.sync(place.source(simulator), *ENTITIES)
    simulator.evolve(percent=10)
    bad = BAD[name]
    check(place, spoil(simulator, bad, place, monkeypatch, 2), simulator, bad)
    mend(simulator, monkeypatch)
    place.sync(place.source(simulator), "students")
    assert place.core("students") == truth(simulator)["students"]


def test_expired_tokens_heal(place: Any, simulator: Simulator, truth: Any) -> None:
    """Tokens that end after every third call are renewed on the way; nobody notices."""
    simulator.set_faults(["token-expiry=3"])
    done = place.sync(place.source(simulator, in_flight=1), *ENTITIES)
    assert all(outcome.verified for outcome in done.values())
    assert place.core("students") == truth(simulator)["students"]
    assert sum(request.path == "/oauth/token" for request in simulator.requests) > 1
