"""`connector-pipelines simulate oneroster`: a simulator in the foreground, with its addresses and a first request to
try.
"""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from connector_pipelines.connectors.oneroster.simulator.control import later
from connector_pipelines.connectors.oneroster.simulator.simulator import Simulator

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from connector_pipelines.connectors.oneroster.simulator.service import Flavour

DEFAULT_PORT = 8100
EVOLVE_EVERY_SECONDS = 60.0


def serve(
    *,
    port: int = DEFAULT_PORT,
    scenario: str = "school",
    seed: int = 7,
    faults: Sequence[str] = (),
    flavour: Flavour = "standard",
    evolve: float = 0,
    host: str = "127.0.0.1",
    say: Callable[[str], object] = print,
    stop: threading.Event | None = None,
) -> None:
    """Serve until interrupted. Dates are those of today, so that incremental reads by time find what changes.

    Args:
        port: where to listen.
        scenario: tiny, small, school or district.
        seed: another seed, other people.
        faults: what goes wrong, see `faults.FAULTS`.
        flavour: standard or timeback.
        evolve: percent of users, classes and enrollments that change every minute; 0 for a world at rest.
        host: interface to listen on.
        say: where the addresses are written to.
        stop: ends the serving when set; Ctrl-C does, too.

    Raises:
        ValueError: no such scenario or fault.
        OSError: the port is taken.
    """
    ended = stop or threading.Event()
    simulator = Simulator(
        scenario=scenario,
        seed=seed,
        faults=faults,
        flavour=flavour,
        start=datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=1),
        host=host,
        port=port,
        href_base=f"http://{host}:{port}",
        clock=lambda: int(time.time() * 1000),
        control=True,
    )
    with simulator:
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
    credentials = f"{simulator.client_id}:{simulator.client_secret}"
    token = f"curl -s -u {credentials} -d grant_type=client_credentials {simulator.token_url}"
    parse = 'sed \'s/.*"access_token":"\\([^"]*\\)".*/\\1/\''
    slash = "/" if simulator.service.timeback else ""
    return [
        f"OneRoster simulator ({simulator.world.scenario}, seed {simulator.world.seed})",
        f"  1.2 rostering   {simulator.rostering_url}",
        f"  1.2 gradebook   {simulator.gradebook_url}",
        f"  1.2 resources   {simulator.resources_url}",
        f"  1.1             {simulator.v1p1_url}",
        f"  token           {simulator.token_url}",
        f"  client id       {simulator.client_id}",
        f"  client secret   {simulator.client_secret}",
        f"  control         {simulator.url}/__sim__/state",
        "Try:",
        f'  curl -s -H "Authorization: Bearer $({token} | {parse})" "{simulator.rostering_url}/users{slash}?limit=2"',
        f'  curl -s -X POST "{simulator.url}/__sim__/evolve?percent=5"',
    ]
