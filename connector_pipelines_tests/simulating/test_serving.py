"""A simulator in the foreground, and one that is steered from outside."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import requests

from connector_pipelines.simulating import serving
from connector_pipelines.simulating.exchange import as_json
from connector_pipelines.simulating.faults import Faults, Kind, Switchboard
from connector_pipelines.simulating.running import Running
from connector_pipelines.simulating.serving import serve

FAULTS = Faults({"late": Kind("answers late")})


class Clockwork(Running):
    """A world that counts."""

    def __init__(self, *, control: bool = False) -> None:
        self.version = 0
        switchboard = Switchboard(FAULTS)
        super().__init__(
            lambda _call: as_json(200, []), switchboard, threading.RLock(), host="127.0.0.1", port=0, control=control
        )

    def go_on(self, percent: float, *, vanish: bool = False) -> None:
        """Count."""
        if vanish:
            raise ValueError("nothing vanishes")
        self.version += int(percent)

    def described(self) -> dict[str, Any]:
        """What it counted."""
        return {"version": self.version}


def test_it_goes_on_until_it_is_told_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Served with a share, a world says where it is, changes again and again, and closes its socket in the end."""
    monkeypatch.setattr(serving, "EVOLVE_EVERY_SECONDS", 0.001)
    said: list[str] = []
    ended = threading.Event()

    def say(line: str) -> None:
        said.append(line)
        if len(said) == 3:
            ended.set()

    world = Clockwork()
    serve(world, evolve=5, say=say, stop=ended)
    assert said[0].startswith("http://127.0.0.1:")
    assert said[1:] == ["Evolved by 5 %: version 5", "Evolved by 5 %: version 10"]
    with pytest.raises(RuntimeError):
        assert world.url


def test_it_is_steered_from_outside() -> None:
    """State is told, faults are switched and time goes on by requests; mistakes are 400 and 404."""
    with Clockwork(control=True) as world:
        control = f"{world.url}/__sim__"
        assert requests.post(f"{control}/faults?fault=late", timeout=20).json() == {"version": 0, "faults": ["late"]}
        assert requests.post(f"{control}/evolve?percent=3", timeout=20).json()["version"] == 3
        for mistake in ("evolve?vanish=true", "evolve?percent=much", "faults?fault=never"):
            refused = requests.post(f"{control}/{mistake}", timeout=20)
            assert (refused.status_code, list(refused.json())) == (400, ["error"])
        assert requests.post(f"{control}/explode", timeout=20).status_code == 404
        assert requests.get(f"{control}/state", timeout=20).json() == {"version": 3, "faults": ["late"]}
        assert requests.post(f"{control}/faults", timeout=20).json()["faults"] == []
        assert requests.get(world.url, timeout=20).json() == []


def test_a_world_at_rest_says_so() -> None:
    """Where nothing changes by itself, asking for it is a mistake."""
    with pytest.raises(ValueError, match="does not change by itself"):
        Running.go_on(Clockwork(), 5)
