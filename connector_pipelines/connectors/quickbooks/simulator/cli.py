"""`connector-pipelines simulate quickbooks`: a company in the foreground, with its addresses and a first request."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from connector_pipelines.connectors.quickbooks.simulator.control import later
from connector_pipelines.connectors.quickbooks.simulator.simulator import Simulator

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

DEFAULT_PORT = 8102
EVOLVE_EVERY_SECONDS = 60.0


def serve(
    *,
    port: int = DEFAULT_PORT,
    scenario: str = "company",
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
        scenario: small, company or large.
        seed: another seed, other records.
        faults: what goes wrong, see `switches.FAULTS`.
        evolve: percent of the records that change every minute; 0 for a company at rest.
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
    credentials = f"{simulator.client_id}:{simulator.client_secret}"
    form = f"grant_type=refresh_token&refresh_token={simulator.refresh_token}"
    parse = 'sed \'s/.*"access_token":"\\([^"]*\\)".*/\\1/\''
    token = f"curl -s -u {credentials} -d '{form}' {simulator.token_url}"
    headers = f'-H "Accept: application/json" -H "Authorization: Bearer $({token} | {parse})"'
    company = f"{simulator.url}/v3/company/{simulator.realm_id}"
    asked = f'curl -s {headers} "{company}/query?query=select%20*%20from%20Item%20maxresults%202&minorversion=75"'
    return [
        f"QuickBooks Online simulator ({simulator.world.scenario}, seed {simulator.world.seed})",
        f"  base_url        {simulator.url}",
        f"  realm id        {simulator.realm_id}",
        f"  token           {simulator.token_url}",
        f"  client id       {simulator.client_id}",
        f"  client secret   {simulator.client_secret}",
        f"  refresh token   {simulator.refresh_token}",
        f"  control         {simulator.url}/__sim__/state",
        "Try:",
        f"  {asked}",
        f'  curl -s -X POST "{simulator.url}/__sim__/evolve?percent=5"',
    ]
