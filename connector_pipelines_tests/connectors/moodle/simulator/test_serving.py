"""The simulator as a command, and the school in it."""

from __future__ import annotations

import threading

import pytest

from connector_pipelines.connectors.moodle.simulator import Simulator
from connector_pipelines.connectors.moodle.simulator.cli import serve
from connector_pipelines.connectors.moodle.simulator.site import TABLES


def test_the_command_tells_address_and_token() -> None:
    """Whoever starts it is told what a source needs, and a call to try."""
    ended = threading.Event()
    ended.set()
    said: list[str] = []
    serve(port=0, say=lambda line: said.append(str(line)), stop=ended)
    assert said[0] == "Moodle simulator"
    assert said[1].startswith("  base_url  http://127.0.0.1:")
    assert "core_webservice_get_site_info" in said[-1]


def test_the_same_seed_is_the_same_school() -> None:
    """A site follows from scenario and seed alone; another seed is another school."""
    first, second, other = (Simulator(seed=seed, clock=lambda: 1_795_252_000).site for seed in (1, 1, 2))
    assert all(first[table] == second[table] for table in TABLES)
    assert first["users"] != other["users"]


def test_unknown_scenarios_and_faults_are_refused() -> None:
    """A typing mistake does not start another simulator."""
    with pytest.raises(ValueError, match="unknown scenario 'big'; there are empty, small, school"):
        Simulator(scenario="big")
    with pytest.raises(ValueError, match="unknown fault 'nonsense'"):
        Simulator(faults=["nonsense"])
