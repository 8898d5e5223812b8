"""A simulator in the foreground, as `connector-pipelines simulate` serves it: its addresses, and a request to try."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from connector_pipelines.simulating.running import Running

EVOLVE_EVERY_SECONDS = 60.0


def just_now() -> datetime:
    """Where the time of a served world begins, so that incremental reads by time find what changes from here on."""
    return datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=1)


def serve(
    simulator: Running,
    *,
    evolve: float = 0,
    say: Callable[[str], object] = print,
    stop: threading.Event | None = None,
) -> None:
    """Serve until interrupted.

    Args:
        simulator: not running yet.
        evolve: percent of its records that change every minute; 0 for a world at rest.
        say: where addresses, credentials, and lines to paste into a shell are written to.
        stop: ends the serving when set; Ctrl-C does, too.

    Raises:
        OSError: the port is taken.
    """
    ended = stop or threading.Event()
    with simulator:
        for line in simulator.greeting():
            say(line)
        try:
            while not ended.wait(EVOLVE_EVERY_SECONDS if evolve else None):
                simulator.go_on(evolve)
                say(f"Evolved by {evolve:g} %: version {simulator.state()['version']}")
        except KeyboardInterrupt:
            say("Stopped.")
