"""The server starts at once, stops at once, leaves nothing behind, and can be run and steered from outside."""

from __future__ import annotations

import gc
import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest
import requests

from connector_pipelines.connectors.oneroster.simulator import FAULTS, Simulator

if TYPE_CHECKING:
    from collections.abc import Iterator


def test_nothing_is_left_behind() -> None:
    """After stopping, the thread is gone, the port is free, and no socket waits for the garbage collector."""
    threads = set(threading.enumerate())
    with Simulator() as simulator, requests.Session() as session:
        port = int(simulator.url.rsplit(":", 1)[1])
        assert session.get(simulator.url, timeout=20).status_code == 404
    gc.collect()
    assert set(threading.enumerate()) <= threads  # those of others may have ended
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_stopping_at_once_and_twice_is_fine() -> None:
    """A simulator that served nobody stops as well as any, and a stopped one has no address."""
    simulator = Simulator()
    simulator.start()
    simulator.stop()
    simulator.stop()
    with pytest.raises(RuntimeError, match="does not run"):
        _ = simulator.url


def test_a_taken_port_is_an_error(simulator: Simulator) -> None:
    """Two simulators cannot share a port: the second is told at start."""
    taken = Simulator(port=int(simulator.url.rsplit(":", 1)[1]))
    with pytest.raises(OSError, match="in use"):
        taken.start()


def test_an_unknown_scenario_or_fault_is_refused_at_once() -> None:
    """What is misspelled fails before anything is served."""
    with pytest.raises(ValueError, match="unknown scenario"):
        Simulator(scenario="village")
    with pytest.raises(ValueError, match="unknown fault"):
        Simulator(faults=["clmap"])


def test_an_unknown_collection_is_refused(simulator: Simulator) -> None:
    """Rows cannot be planted where nobody would see them."""
    for plant in (simulator.put, simulator.append_raw):
        with pytest.raises(ValueError, match="unknown collection 'students'"):
            plant("students", {"sourcedId": "x"})


@pytest.mark.parametrize("service", ["rostering", "v1p1"])
def test_planted_nonsense_is_served(simulator: Simulator, api: Any, service: str) -> None:
    """Records with wrong types everywhere are listed, filtered and sorted without harm, in both versions."""
    user = next(simulator.expected("users"))
    simulator.put("users", {"sourcedId": "odd-1"} | {name: 7 for name in user if name != "sourcedId"})
    simulator.put("users", {"sourcedId": "odd-2"} | {name: [None, {"a": []}] for name in user if name != "sourcedId"})
    simulator.append_raw("users", {})
    assert len(api.rows("users", service=service, limit=1000)) == 203
    assert len(api.rows("users", service=service, limit=1000, sort="familyName", filter="givenName!='x'")) == 203
    assert [row["sourcedId"] for row in api.rows("users", service=service, filter="givenName='7'")] == ["odd-1"]


def test_warnings_cannot_break_headers(api: Any) -> None:
    """A line break in a parameter stays out of the header that quotes it."""
    response = api.get("users", sort="a\r\nX-Evil: 1", limit=1)
    assert (response.status_code, "X-Evil" in response.headers) == (200, False)


def test_requests_are_on_record(simulator: Simulator, api: Any) -> None:
    """What was asked and answered can be read afterwards, without the secret."""
    api.get("classes/cls-0000000/students", limit=3)
    token, request = simulator.requests
    assert (token.method, token.path, token.status) == ("POST", "/oauth/token", 200)
    assert (request.method, request.status, request.rows, request.query) == ("GET", 200, 3, {"limit": "3"})
    assert (request.collection, request.path.rsplit("/", 1)[1]) == ("students", "students")
    assert (token.headers["authorization"], request.headers["authorization"]) == ("Basic", "Bearer")


def test_discovery_documents_are_served(simulator: Simulator) -> None:
    """The discovery path answers with an OpenAPI document, without a token."""
    path = "discovery/onerosterv1p2rostersservice_openapi3_v1p0.json"
    assert requests.get(f"{simulator.rostering_url}/{path}", timeout=20).json()["openapi"] == "3.0.0"


@pytest.fixture
def steered() -> Iterator[Simulator]:
    """A simulator with remote control."""
    with Simulator(control=True) as running:
        yield running


def test_a_simulator_is_steered_over_http(steered: Simulator) -> None:
    """State, evolution and faults can be asked for and set from another process."""
    control = f"{steered.url}/__sim__"
    assert requests.get(f"{control}/state", timeout=20).json()["records"]["users"] == 200
    evolved = requests.post(f"{control}/evolve?percent=50&vanish=true", timeout=20).json()
    assert (evolved["version"], steered.version) == (1, 1)
    assert evolved["records"]["users"] == len(list(steered.expected("users"))) < 208
    faults = requests.post(f"{control}/faults?fault=clamp=5&fault=no-total", timeout=20).json()["faults"]
    assert faults == ["clamp", "no-total"]
    assert requests.post(f"{control}/faults", timeout=20).json()["faults"] == []


@pytest.mark.parametrize("path", ["evolve?percent=200", "evolve?percent=much", "faults?fault=nothing"])
def test_bad_control_calls_change_nothing(steered: Simulator, path: str) -> None:
    """What cannot be done is answered with 400 and the reason."""
    response = requests.post(f"{steered.url}/__sim__/{path}", timeout=20)
    assert (response.status_code, list(response.json())) == (400, ["error"])
    assert (steered.version, steered.service.switchboard.faults) == (0, ())


def test_without_control_there_is_no_control(simulator: Simulator) -> None:
    """Embedded simulators serve OneRoster and nothing else."""
    assert requests.get(f"{simulator.url}/__sim__/state", timeout=20).status_code == 404


def test_it_greets_with_what_a_source_needs(steered: Simulator) -> None:
    """Whoever starts it is told addresses, credentials and lines to paste."""
    text = "\n".join(steered.greeting())
    for part in ("/ims/oneroster/rostering/v1p2", "/ims/oneroster/v1p1", "simulator-secret", "curl -s -H"):
        assert part in text


def test_faults_have_one_line_each() -> None:
    """The explanation of a fault fits beside its name in the README and in `--help`."""
    assert all("\n" not in kind.does and len(kind.does) < 90 for kind in FAULTS.values())
