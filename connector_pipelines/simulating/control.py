"""Remote control of a simulator that runs as a process of its own: look at it, evolve it, switch its faults.

    GET  /__sim__/state
    POST /__sim__/evolve?percent=5                     (&vanish=true, where records vanish without a trace)
    POST /__sim__/faults?fault=429@3&fault=truncated   (none: behave)

No credentials are asked for: nothing but simulated data lies behind it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector_pipelines.simulating.exchange import Call, Reply, as_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from connector_pipelines.simulating.running import Running

PREFIX = "/__sim__/"


def controlled(simulator: Running, answer: Callable[[Call], Reply], call: Call) -> Reply:
    """Answer control calls here and everything else as the service does."""
    if not call.path.startswith(PREFIX):
        return answer(call)
    given = call.params
    try:
        match call.method, call.path.removeprefix(PREFIX):
            case "POST", "evolve":
                vanish = given.get("vanish", "").lower() in {"true", "1"}
                simulator.go_on(float(given.get("percent", "1")), vanish=vanish)
            case "POST", "faults":
                simulator.set_faults(value for name, value in call.pairs if name == "fault")
            case "GET", "state":
                pass
            case _:
                return as_json(404, {"error": f"{call.method} {call.path} is unknown"})
    except ValueError as error:
        return as_json(400, {"error": str(error)})
    return as_json(200, simulator.state())
