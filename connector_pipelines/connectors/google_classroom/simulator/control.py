"""Remote control of a simulator that runs as a process of its own: look at it, evolve it, switch its faults.

    GET  /__sim__/state
    GET  /__sim__/key                                (the service account's private key)
    POST /__sim__/evolve?percent=5
    POST /__sim__/faults?fault=gone,429@3:students   (comma-separated; none: behave)

No credentials are asked for: nothing but simulated data lies behind it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from connector_pipelines.simulating.exchange import Call, Reply, as_json

if TYPE_CHECKING:
    from connector_pipelines.connectors.google_classroom.simulator.simulator import Simulator

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
                simulator.set_faults(name for name in call.params.get("fault", "").split(",") if name)
            case ("GET", "key"):
                return Reply(200, simulator.private_key.encode(), content_type="application/x-pem-file")
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
    rosters = {name: sum(map(len, courses.values())) for name, courses in world.rosters.items()}
    return {
        "scenario": world.scenario,
        "seed": world.seed,
        "version": world.version,
        "faults": [fault.name for fault in simulator.service.switchboard.faults],
        "records": {"courses": len(world.courses), "people": len(world.people)} | rosters,
        "requests": len(simulator.requests),
    }
