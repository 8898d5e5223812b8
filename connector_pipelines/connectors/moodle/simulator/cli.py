"""`connector-pipelines simulate moodle`: a simulator in the foreground, with its address and a call to try."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from connector_pipelines.connectors.moodle.simulator.service import PATH
from connector_pipelines.connectors.moodle.simulator.simulator import Simulator

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

DEFAULT_PORT = 8103


def serve(
    *,
    port: int = DEFAULT_PORT,
    scenario: str = "small",
    seed: int = 7,
    faults: Sequence[str] = (),
    kept: Path | None = None,
    at_work: bool = False,
    host: str = "127.0.0.1",
    say: Callable[[str], object] = print,
    stop: threading.Event | None = None,
) -> None:
    """Serve until interrupted.

    Args:
        port: where to listen.
        scenario: empty, small or school.
        seed: another seed, other data.
        faults: what goes wrong, see `faults.FAULTS`.
        kept: the file where the site is kept and found again.
        at_work: teachers and students do something in courses that people are enrolled in.
        host: interface to listen on.
        say: where the address is written to.
        stop: ends the serving when set; Ctrl-C does, too.

    Raises:
        ValueError: no such scenario or fault.
        OSError: the port is taken.
    """
    ended = stop or threading.Event()
    made = Simulator(scenario=scenario, seed=seed, faults=faults, kept=kept, at_work=at_work, host=host, port=port)
    with made as simulator:
        for line in greeting(simulator):
            say(line)
        try:
            ended.wait()
        except KeyboardInterrupt:
            say("Stopped.")


def greeting(simulator: Simulator) -> list[str]:
    """Address, token, and a line to paste into a shell."""
    form = "moodlewsrestformat=json&wsfunction=core_webservice_get_site_info"
    return [
        "Moodle simulator",
        f"  base_url  {simulator.url}",
        f"  token     {simulator.token}",
        "Try:",
        f'  curl -s -d "{form}&wstoken={simulator.token}" {simulator.url}{PATH}',
    ]
