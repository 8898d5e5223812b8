"""`connector-pipelines simulate finale`: a simulator in the foreground, with its addresses and a request to try."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from connector_pipelines.connectors.finale.simulator.control import later
from connector_pipelines.connectors.finale.simulator.simulator import Simulator

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

DEFAULT_PORT = 8101
EVOLVE_EVERY_SECONDS = 60.0


def serve(
    *,
    port: int = DEFAULT_PORT,
    scenario: str = "shop",
    seed: int = 7,
    faults: Sequence[str] = (),
    evolve: float = 0,
    host: str = "127.0.0.1",
    say: Callable[[str], object] = print,
    stop: threading.Event | None = None,
) -> None:
    """Serve until interrupted. Dates are those of today, so that incremental reads by time find what changes.

    Args:
        port: where to listen.
        scenario: small, shop or warehouse.
        seed: another seed, other data.
        faults: what goes wrong, see `faults.FAULTS`.
        evolve: percent of products, parties and orders that change every minute; 0 for a world at rest.
        host: interface to listen on.
        say: where the addresses are written to.
        stop: ends the serving when set; Ctrl-C does, too.

    Raises:
        ValueError: no such scenario or fault.
        OSError: the port is taken.
    """
    ended = stop or threading.Event()
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=1)
    with Simulator(
        scenario=scenario, seed=seed, faults=faults, start=start, host=host, port=port, control=True
    ) as simulator:
        for line in greeting(simulator):
            say(line)
        try:
            while not ended.wait(EVOLVE_EVERY_SECONDS if evolve else None):
                simulator.evolve(evolve, at=later(simulator))
                say(f"Evolved by {evolve:g} %: version {simulator.version}")
        except KeyboardInterrupt:
            say("Stopped.")


def greeting(simulator: Simulator) -> list[str]:
    """Addresses, credentials, and lines to paste into a shell."""
    api = f"{simulator.url}/{simulator.account}/api"
    return [
        f"Finale simulator ({simulator.world.scenario}, seed {simulator.world.seed})",
        f"  base_url     {simulator.url}",
        f"  account      {simulator.account}",
        f"  API key      {simulator.api_key}",
        f"  API secret   {simulator.api_secret}",
        f"  user         {simulator.username}",
        f"  password     {simulator.password}",
        f"  report       {simulator.report_url()}",
        f"  control      {simulator.url}/__sim__/state",
        "Try:",
        f'  curl -s -u {simulator.api_key}:{simulator.api_secret} "{api}/product/?limit=2"',
        f'  curl -s -X POST "{simulator.url}/__sim__/evolve?percent=5"',
    ]
