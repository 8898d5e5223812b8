"""Remote control of a simulator that runs as a process of its own: look at it, evolve it, switch its faults.

    GET  /__sim__/state
    POST /__sim__/evolve?percent=5
    POST /__sim__/faults?fault=clamp=7&fault=429@3     (none: behave)

No credentials are asked for: nothing but simulated data lies behind it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from connector_pipelines.simulating.exchange import Call, Reply, as_json

if TYPE_CHECKING:
    from connector_pipelines.connectors.canvas.simulator.simulator import Simulator

PREFIX = "/__sim__/"


def controlled(simulator: Simulator, call: Call) -> Reply:
    """Answer control calls here and everything else as the simulator does."""
    if not call.path.startswith(PREFIX):
        return simulator.service.answer(call)
    try:
        match (call.method, call.path.removeprefix(PREFIX)):
            case ("POST", "evolve"):
                simulator.evolve(float(call.params.get("percent", "1")), at=later(simulator))
            case ("POST", "faults"):
                simulator.set_faults(value for name, value in call.pairs if name == "fault")
            case ("GET", "state"):
                pass
            case _:
                return as_json(404, {"error": f"{call.method} {call.path} is unknown"})
    except ValueError as error:
        return as_json(400, {"error": str(error)})
    return as_json(200, state(simulator))


def later(simulator: Simulator) -> datetime:
    """Now, or the instant of the current version where that lies ahead."""
    return max(datetime.now(UTC), simulator.world.now)


def state(simulator: Simulator) -> dict[str, Any]:
    """What a simulator is and has done so far."""
    world = simulator.world
    return {
        "scenario": world.scenario,
        "seed": world.seed,
        "version": world.version,
        "faults": [fault.name for fault in simulator.service.switchboard.faults],
        "records": {name: len(rows) for name, rows in world.tables.items()},
        "requests": len(simulator.requests),
    }
