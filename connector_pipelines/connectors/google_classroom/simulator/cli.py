"""`connector-pipelines simulate google_classroom`: a domain in the foreground, with addresses and first requests."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from connector_pipelines.connectors.google_classroom.simulator.control import later
from connector_pipelines.connectors.google_classroom.simulator.simulator import Simulator

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

DEFAULT_PORT = 8104
EVOLVE_EVERY_SECONDS = 60.0


def serve(
    *,
    port: int = DEFAULT_PORT,
    scenario: str = "domain",
    seed: int = 7,
    faults: Sequence[str] = (),
    evolve: float = 0,
    host: str = "127.0.0.1",
    say: Callable[[str], object] = print,
    stop: threading.Event | None = None,
) -> None:
    """Serve until interrupted. Times are those of today.

    Args:
        port: where to listen.
        scenario: tiny, small, domain or large.
        seed: another seed, other people and courses.
        faults: what goes wrong, see `switches.FAULTS`.
        evolve: percent of the courses and people that change every minute; 0 for a domain at rest.
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
    identity = f"client_id={simulator.client_id}&client_secret={simulator.client_secret}"
    form = f"grant_type=refresh_token&refresh_token={simulator.refresh_token}&{identity}"
    parse = 'sed \'s/.*"access_token": *"\\([^"]*\\)".*/\\1/\''
    header = f"-H \"Authorization: Bearer $(curl -s -d '{form}' {simulator.token_url} | {parse})\""
    return [
        f"Google Classroom simulator ({simulator.world.scenario}, seed {simulator.world.seed})",
        f"  base_url        {simulator.url}",
        f"  token           {simulator.token_url}",
        f"  service account {simulator.client_email}",
        f"  subject         {simulator.subject}",
        f"  client id       {simulator.client_id}",
        f"  client secret   {simulator.client_secret}",
        f"  refresh token   {simulator.refresh_token}",
        f"  control         {simulator.url}/__sim__/state",
        "Try:",
        f'  export CLASSROOM_KEY="$(curl -s {simulator.url}/__sim__/key)"',
        f'  curl -s {header} "{simulator.url}/v1/courses?pageSize=2"',
        f'  curl -s -X POST "{simulator.url}/__sim__/evolve?percent=5"',
    ]
