"""The source that needs no other system (F38, F39, F42, F43, F56)."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import pytest
import stamina
from pydantic import ValidationError

from connector_pipelines.connectors import connector
from connector_pipelines.connectors.oneroster import CONNECTOR, MOCK
from connector_pipelines.connectors.oneroster.mock import MockConfig, connect
from connector_pipelines.connectors.oneroster.simulator import Simulator
from connector_pipelines.errors import AuthFailed, NetworkError
from connector_pipelines.model import Window

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connector_pipelines.errors import SyncError


@pytest.fixture(autouse=True)
def no_waiting() -> Iterator[None]:
    """Nothing waits between tries."""
    with stamina.set_testing(testing=True):
        yield


def bodies(config: MockConfig) -> dict[str, list[bytes]]:
    """Every page of every entity, as it came."""
    found = {}
    for stream in MOCK.streams(config):
        with MOCK.open(config) as client:
            found[stream.entity] = [page.body for page in stream.read(client, Window()).pages]
    return found


def test_it_is_found_by_its_name() -> None:
    """The registry knows it as `mock`, and it reads all that a roster has."""
    assert connector("mock") is MOCK
    assert [s.entity for s in MOCK.streams(MockConfig())] == [s.entity for s in CONNECTOR.streams(_somewhere())]


def _somewhere() -> Any:
    return CONNECTOR.config.model_validate({"base_url": "https://sis.example"})


def test_the_same_settings_are_the_same_records() -> None:
    """Each time it is opened it serves the same bytes; another seed serves other people."""
    once, again, other = (bodies(MockConfig(scenario="tiny", seed=seed)) for seed in (7, 7, 8))
    assert once == again
    assert len(once) == 8
    assert all(pages for pages in once.values())
    assert once["students"] != other["students"]


@pytest.mark.parametrize("how", [{"version": "1.1"}, {"flavour": "timeback"}, {"page_size": 5, "in_flight": 1}])
def test_each_way_of_asking_gives_the_same_people(how: dict[str, Any]) -> None:
    """By 1.1, in TimeBack's dialect and in small pages the same people come."""

    def people(config: MockConfig) -> set[Any]:
        [stream] = MOCK.streams(config)
        with MOCK.open(config) as client:
            rows = [row for page in stream.read(client, Window()).pages for row in page.rows]
        return {stream.columns["sourcedId"](stream.decode(row)) for row in rows}

    usual = {"scenario": "tiny", "entities": ("students",)}
    assert people(MockConfig(**usual, **how)) == people(MockConfig(**usual))


@pytest.mark.parametrize(
    ("fault", "error"), [("auth-down", AuthFailed), ("503=9", NetworkError), ("token-expiry=3", None), ("429@1", None)]
)
def test_it_misbehaves_as_it_is_told(fault: str, error: type[SyncError] | None) -> None:
    """A refused sign-in and a server that is down fail the read by kind; a token that ends, and a limit, do not."""
    usual = {"scenario": "tiny", "page_size": 5, "in_flight": 1, "entities": ("enrollments",), "max_retries": 2}
    config = MockConfig.model_validate({**usual, "faults": (fault,)})
    if error is None:
        assert len(bodies(config)["enrollments"]) > 3
    else:
        with pytest.raises(error):
            bodies(config)


def test_a_delay_is_felt() -> None:
    """A request that is answered later than the source waits for is given up."""
    config = MockConfig(scenario="tiny", faults=("stall",), timeout_seconds=1, max_retries=0)
    with pytest.raises(NetworkError, match="did not answer in time"):
        bodies(config)


def test_what_is_no_fault_is_refused() -> None:
    """A misspelled fault is a mistake of its field that names those there are."""
    with pytest.raises(ValidationError, match=r"unknown fault 'dealy=5'; there are .*delay"):
        MockConfig(faults=("dealy=5",))


def test_it_listens_at_its_port_or_elsewhere() -> None:
    """Two at once are two servers: the second one finds the port taken, and another one that is free."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = MockConfig(scenario="tiny", port=port)
    with connect(config) as one, connect(config) as other:
        assert one.config.base_url == f"http://127.0.0.1:{port}"
        assert other.config.base_url != one.config.base_url
        assert [MOCK.check(client).ok for client in (one, other)] == [True, True]


def test_it_takes_a_dead_port_for_free() -> None:
    """When it is closed nobody listens any more."""
    with connect(MockConfig(scenario="tiny")) as client:
        where = int(client.config.base_url.rpartition(":")[2])
    with Simulator(scenario="tiny", port=where):
        pass
