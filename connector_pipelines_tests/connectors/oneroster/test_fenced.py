"""Reads that are to prove absence, against the simulator, whose rows come and go."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from connector_pipelines.connectors.oneroster import CONNECTOR
from connector_pipelines.connectors.oneroster.config import OneRosterConfig
from connector_pipelines.connectors.oneroster.simulator import Simulator
from connector_pipelines.connectors.oneroster.wire import id_of
from connector_pipelines.model import Window
from connector_pipelines.pages import Stability

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def shared() -> Iterator[Simulator]:
    """A small school district, for reads that change nothing in it."""
    with Simulator(scenario="small", seed=7) as running:
        yield running


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch, shared: Simulator) -> None:
    """Every simulator takes the same."""
    monkeypatch.setenv("SIS_ID", shared.client_id)
    monkeypatch.setenv("SIS_SECRET", shared.client_secret)


def config_of(simulator: Simulator, **more: Any) -> OneRosterConfig:
    """A source that reads the simulator in pages of 50."""
    oauth = {"type": "oauth2", "token_url": simulator.token_url}
    oauth |= {"client_id": "env:SIS_ID", "client_secret": "env:SIS_SECRET"}
    return OneRosterConfig.model_validate({"base_url": simulator.url, "auth": oauth, "page_size": 50} | more)


def read(simulator: Simulator, entity: str, *, fenced: bool = True, **more: Any) -> tuple[list[str], Stability | None]:
    """Every id in the order it came, and what the read says of itself."""
    config = config_of(simulator, **more)
    stream = next(stream for stream in CONNECTOR.streams(config) if stream.entity == entity)
    with CONNECTOR.open(config) as client:
        reading = stream.read(client, Window())
        assert reading.fenced
        reading = reading.fenced() if fenced else reading
        rows = [id_of(row) for page in reading.pages for row in page.rows]
        return [row for row in rows if row], reading.stability()


def there(simulator: Simulator) -> set[str]:
    """The ids of all enrollments of students."""
    return {record["sourcedId"] for record in simulator.expected("enrollments") if record["role"] == "student"}


STILL = [[], ["clamp=7"], ["no-link"], ["no-link", "no-total"], ["total-estimate=-30"], ["ignore-filter"]]


@pytest.mark.parametrize("faults", STILL, ids=[" ".join(faults) or "none" for faults in STILL])
@pytest.mark.parametrize("in_flight", [1, 8])
def test_source_that_holds_still(shared: Simulator, faults: list[str], in_flight: int) -> None:
    """Its read is stable and whole, however it cuts its pages and whatever it tells of totals and links."""
    shared.set_faults(faults)
    ids, stability = read(shared, "enrollments", in_flight=in_flight)
    assert (there(shared) <= set(ids), stability) == (True, Stability.STABLE)


def test_fence_costs_the_overlap_alone(shared: Simulator) -> None:
    """A fenced read asks for no more than the rows that pages repeat make necessary."""
    shared.set_faults([])
    asked = []
    for fenced in (False, True):
        before = len(shared.requests)
        ids, _ = read(shared, "enrollments", fenced=fenced, in_flight=1)
        asked.append(sum("/enrollments" in request.path for request in list(shared.requests)[before:]))
    count = len(set(ids))
    assert asked == [-(-count // 50), 1 + -(-(count - 50) // 49)]


@pytest.mark.parametrize(
    "faults", [["shift=remove@3:classes"], ["shift=remove@3:classes", "clamp=9"], ["shift=insert@3:classes"]]
)
def test_rows_that_come_and_go(faults: list[str]) -> None:
    """A row that goes is mended, one that comes where it is seen no more leaves the read unproven; none is lost."""
    with Simulator(scenario="small", seed=7) as simulator:
        simulator.set_faults(faults)
        before = {record["sourcedId"] for record in simulator.expected("classes")}
        ids, stability = read(simulator, "sections", in_flight=1, page_size=20)
        after = {record["sourcedId"] for record in simulator.expected("classes")}
        assert before != after
        assert before & after <= set(ids)
        assert stability is (Stability.UNSTABLE if after - before else Stability.REPAIRED)


def test_source_that_ignores_the_role(shared: Simulator) -> None:
    """Where the filter is refused, the read without it tells how stable it was."""
    shared.set_faults(["no-dot-filter"])
    assert read(shared, "teaching_assignments")[1] is Stability.STABLE


def test_one_row_a_page_proves_nothing(shared: Simulator) -> None:
    """Pages of one row have none to repeat: all is read, nothing is proven."""
    shared.set_faults([])
    ids, stability = read(shared, "organizations", page_size=1)
    assert (len(set(ids)) == len(list(shared.expected("orgs"))), stability) == (True, Stability.UNSTABLE)


def test_changes_are_not_fenced(shared: Simulator) -> None:
    """A read of what changed proves no absence, so there is nothing to watch."""
    config = config_of(shared)
    window = Window(since=datetime(2026, 1, 1, tzinfo=UTC))
    with CONNECTOR.open(config) as client:
        assert all(stream.read(client, window).fenced is None for stream in CONNECTOR.streams(config))
