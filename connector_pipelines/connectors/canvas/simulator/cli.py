"""`connector-pipelines simulate canvas`: a site in the foreground, with its addresses and a first request."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from connector_pipelines.connectors.canvas.simulator.control import later
from connector_pipelines.connectors.canvas.simulator.simulator import Simulator

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

DEFAULT_PORT = 8104
EVOLVE_EVERY_SECONDS = 60.0


def serve(
    *,
    port: int = DEFAULT_PORT,
    scenario: str = "small",
    seed: int = 7,
    faults: Sequence[str] = (),
    evolve: float = 0,
    host: str = "127.0.0.1",
    say: Callable[[str], object] = print,
    stop: threading.Event | None = None,
) -> None:
    """Serve until interrupted.

    Args:
        port: where to listen.
        scenario: tiny, small or college.
        seed: another seed, other people.
        faults: what goes wrong, see `faults.FAULTS`.
        evolve: percent of people, courses and enrollments that change every minute; 0 for a site at rest.
        host: interface to listen on.
        say: where the addresses are written to.
        stop: ends the serving when set; Ctrl-C does, too.

    Raises:
        ValueError: no such scenario or fault.
        OSError: the port is taken.
    """
    ended = stop or threading.Event()
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=1)
    simulator = Simulator(scenario=scenario, seed=seed, faults=faults, start=start, host=host, port=port, control=True)
    with simulator:
        for line in greeting(simulator):
            say(line)
        try:
            while not ended.wait(EVOLVE_EVERY_SECONDS if evolve else None):
                simulator.evolve(evolve, at=later(simulator))
                say(f"Evolved by {evolve:g} %: version {simulator.world.version}")
        except KeyboardInterrupt:
            say("Stopped.")


def greeting(simulator: Simulator) -> list[str]:
    """Addresses, credentials, and lines to paste into a shell."""
    asked = f"{simulator.url}/api/v1/accounts/self/users?enrollment_type=student&per_page=2"
    return [
        f"Canvas simulator ({simulator.world.scenario}, seed {simulator.world.seed})",
        f"  base_url        {simulator.url}",
        f"  token           {simulator.token}",
        f"  token url       {simulator.token_url}",
        f"  client id       {simulator.client_id}",
        f"  client secret   {simulator.client_secret}",
        f"  refresh token   {simulator.refresh_token}",
        f"  control         {simulator.url}/__sim__/state",
        "Try:",
        f'  curl -si -H "Authorization: Bearer {simulator.token}" "{asked}"',
        f'  curl -s -X POST "{simulator.url}/__sim__/evolve?percent=5"',
    ]
