"""The steps of a sync, in their order, and what stands when one of them fails (requirements E23 to E30)."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest
from requests.adapters import HTTPAdapter

from connector_pipelines.connectors import connector
from connector_pipelines.errors import ConfigurationError, DatabaseUnavailable, MappingFailed, RateLimited, SyncError
from connector_pipelines.external.cache import Cache
from connector_pipelines.external.secrets import Secret
from connector_pipelines.external.turns import Turns
from connector_pipelines.sync import applying

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from requests import PreparedRequest

    from connector_pipelines.connectors.oneroster.simulator import Simulator
    from connector_pipelines.model import Source, Stream

IN_ORDER = ["connector", "limits", "credentials", "authenticate", "fetch", "transform", "upsert", "record"]
"""Secrets are looked up when the first request is signed, not before: what cannot be sent needs none."""


def raising(error: BaseException) -> Callable[..., Any]:
    """A function that fails."""

    def fail(*_: object, **__: object) -> Any:
        raise error

    return fail


def over(source: Source, **changed: Any) -> Source:
    """The source with another way to open it, or with streams changed one by one."""
    change: Callable[[Stream], Stream] = changed.pop("stream", lambda stream: stream)
    usual = source.connector
    streams = lambda config: [change(stream) for stream in usual.streams(config)]  # noqa: E731 -- too small for a name
    return replace(source, connector=replace(usual, streams=streams, **changed))


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch) -> Callable[[Source], tuple[Source, list[str]]]:
    """Notes each step of a source's syncs when it begins for the first time."""
    steps: list[str] = []

    def noting(step: str | Callable[..., str], function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            name = step if isinstance(step, str) else step(*args)
            if name not in steps:
                steps.append(name)
            return function(*args, **kwargs)

        return call

    def attach(source: Source) -> tuple[Source, list[str]]:
        token_url = source.config.auth.token_url  # type: ignore[attr-defined]  # of a OneRoster source

        def sent(_: HTTPAdapter, request: PreparedRequest) -> str:
            return "authenticate" if request.url == token_url else "fetch"

        for place, name, step in (
            (Turns, "wait", "limits"),
            (Cache, "find", "cache"),
            (Secret, "reveal", "credentials"),
            (HTTPAdapter, "send", sent),
            (applying, "apply_chunk", "upsert"),
            (applying, "write_receipt", "record"),
        ):
            monkeypatch.setattr(place, name, noting(step, getattr(place, name)))
        found = over(
            source,
            open=noting("connector", source.connector.open),
            stream=lambda one: replace(one, transform=noting("transform", one.transform)),
        )
        return found, steps

    return attach


def test_the_steps_come_in_their_order(place: Any, simulator: Simulator, traced: Any) -> None:
    """The connector is opened, limits are asked, then credentials are looked up and shown; a sync reads no cache."""
    source, steps = traced(place.source(simulator))
    assert source.connector.name == connector("oneroster").name
    place.sync(source, "organizations")
    assert steps == IN_ORDER


@dataclass(frozen=True)
class Stands:
    """What there is when a sync ended.

    Attributes:
        run: the state of the read, and the category of its error.
        sent: whether sign-ins and pages were asked for.
        landed: whether a page was kept as it came.
        plan: the state of the plan, if there is one.
        rows: whether core has any, with their mappings marked as synced.
    """

    run: tuple[str, str | None]
    sent: tuple[bool, bool] = (False, False)
    landed: bool = False
    plan: str | None = None
    rows: bool = False


SIGNED_IN, ASKED = (True, False), (True, True)
FAILS = {
    "connector": Stands(("failed", "UNKNOWN")),
    "limits": Stands(("failed", "RATE_LIMITED")),
    "credentials": Stands(("failed", "AUTH_FAILED")),
    "authenticate": Stands(("failed", "AUTH_FAILED"), SIGNED_IN),
    "fetch": Stands(("failed", "NETWORK_ERROR"), ASKED),
    "transform": Stands(("failed", "MAPPING_ERROR"), ASKED, landed=True),
    "upsert": Stands(("read", None), ASKED, landed=True, plan="accepted"),
    "record": Stands(("read", None), ASKED, landed=True, plan="accepted", rows=True),
}


@contextmanager
def failing(step: str, source: Source, simulator: Simulator) -> Iterator[Source]:
    """The source, with one step that fails."""
    with pytest.MonkeyPatch.context() as patch:
        match step:
            case "connector":
                source = over(source, open=raising(ConfigurationError("it cannot be opened.")))
            case "limits":
                patch.setattr(Turns, "wait", raising(RateLimited("the limits are spent.")))
            case "credentials":
                patch.delenv("WHOLE_SECRET")
            case "authenticate":
                simulator.set_faults(["auth-down"])
            case "fetch":
                simulator.set_faults(["500"])
            case "transform":
                broken = raising(MappingFailed("a field is not there."))
                source = over(source, stream=lambda one: replace(one, transform=broken))
            case "upsert":
                patch.setattr(applying, "apply_chunk", raising(DatabaseUnavailable("the connection broke.")))
            case "record":
                patch.setattr(applying, "write_receipt", raising(DatabaseUnavailable("the connection broke.")))
        yield source
    simulator.clear_faults()


def stands(place: Any, simulator: Simulator, folder: Path) -> Stands:
    """What there is now, looked at from outside; what was not finished has no cursor and no receipt."""
    [run] = place.rows("SELECT state, error_category FROM connector.sync_runs ORDER BY id DESC LIMIT 1")
    plans = [state for (state,) in place.rows("SELECT state FROM connector.sync_plans")]
    rows, synced = (
        place.rows(f"SELECT count(*) FROM {what}")[0][0]
        for what in ("core.organizations", "connector.external_system_mappings WHERE sync_status = 'synced'")
    )
    assert rows == synced
    for unfinished in ("sync_cursors", "sync_receipts"):
        assert place.rows(f"SELECT count(*) FROM connector.{unfinished}") == [(0,)]
    paths = [request.path for request in simulator.requests]
    signed_in, asked = "/oauth/token" in paths, any(path.endswith("/orgs") for path in paths)
    landed = any(file.suffix == ".zst" and file.stat().st_size for file in folder.rglob("*"))
    return Stands(run, (signed_in, asked), landed, plans[0] if plans else None, bool(rows))


@pytest.mark.parametrize("step", IN_ORDER)
def test_what_stands_when_a_step_fails(place: Any, simulator: Simulator, truth: Any, tmp_path: Path, step: str) -> None:
    """What the steps before did stands as they left it, nothing of later ones is there, and the next sync ends it."""
    usual = place.source(simulator)
    with failing(step, usual, simulator) as source, pytest.raises(SyncError):
        place.sync(source, "organizations")
    assert stands(place, simulator, tmp_path / "landing") == FAILS[step]
    done = place.sync(usual, "organizations")
    assert done["organizations"].verified
    assert place.core("organizations") == truth(simulator)["organizations"]
    finished = 2 if FAILS[step].plan else 1  # a plan that was accepted is applied, too
    assert place.rows("SELECT count(*) FROM connector.sync_receipts WHERE verified") == [(finished,)]
