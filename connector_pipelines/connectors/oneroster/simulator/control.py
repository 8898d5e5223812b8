"""Remote control of a simulator that runs as a process of its own: look at it, evolve it, switch its faults.

    GET  /__sim__/state
    POST /__sim__/evolve?percent=5&vanish=true
    POST /__sim__/faults?fault=clamp=500&fault=no-total     (none: behave)

No credentials are asked for: nothing but simulated data lies behind it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from connector_pipelines.connectors.oneroster.simulator.world import COLLECTIONS
from connector_pipelines.simulating.exchange import Call, Reply, as_json

if TYPE_CHECKING:
    from connector_pipelines.connectors.oneroster.simulator.simulator import Simulator

PREFIX = "/__sim__/"


def controlled(simulator: Simulator, call: Call) -> Reply:
    """Answer control calls here and everything else as the simulator does."""
    if not call.path.startswith(PREFIX):
        return simulator.service.answer(call)
    given = call.params
    try:
        if (call.method, call.path) == ("POST", f"{PREFIX}evolve"):
            vanish = given.get("vanish", "").lower() in {"true", "1"}
            simulator.evolve(float(given.get("percent", "1")), at=later(simulator), vanish=vanish)
        elif (call.method, call.path) == ("POST", f"{PREFIX}faults"):
            simulator.set_faults(value for name, value in call.pairs if name == "fault")
        elif (call.method, call.path) != ("GET", f"{PREFIX}state"):
            return as_json(404, {"error": f"{call.method} {call.path} is unknown"})
    except ValueError as error:
        return as_json(400, {"error": str(error)})
    return as_json(200, state(simulator))


def later(simulator: Simulator) -> datetime:
    """Now, or the instant of the current version where that lies ahead."""
    current = datetime.fromtimestamp(simulator.world.now_ms / 1000, UTC)
    return max(datetime.now(UTC), current)


def state(simulator: Simulator) -> dict[str, Any]:
    """What a simulator is and has done so far."""
    world = simulator.world
    return {
        "scenario": world.scenario,
        "seed": world.seed,
        "flavour": simulator.service.flavour,
        "version": world.version,
        "faults": [fault.name for fault in simulator.service.switchboard.faults],
        "records": {collection: len(world.rows(collection)) for collection in COLLECTIONS},
        "requests": len(simulator.requests),
        "writes": len(simulator.ledger),
    }
