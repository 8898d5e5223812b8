"""A Moodle site in this process, for tests, demos and the command line."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Self

from connector_pipelines.connectors.moodle.simulator.keeping import keep, recall
from connector_pipelines.connectors.moodle.simulator.school import SCENARIOS, fill, work
from connector_pipelines.connectors.moodle.simulator.service import Service
from connector_pipelines.connectors.moodle.simulator.site import furnished
from connector_pipelines.simulating.server import ServerThread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from connector_pipelines.connectors.moodle.simulator.service import Effect, Request
    from connector_pipelines.connectors.moodle.simulator.site import Site

TOKEN = "5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e"  # noqa: S105 -- it opens nothing but simulated data


class Simulator:
    """A running site. Use it as a context manager.

    Args:
        scenario: empty, small or school, see `school.SCENARIOS`.
        seed: another seed, other data.
        faults: what goes wrong, see `faults.FAULTS`.
        clock: Unix seconds; this machine's by default.
        kept: the file where the site is kept after each write; one that exists is the site, whatever the scenario.
        at_work: teachers give homework in courses that people are enrolled in, students hand it in, teachers grade it.
        host: interface to listen on.
        port: 0 for any free one.

    Raises:
        ValueError: no such scenario or fault.
        OSError: the port is taken.
    """

    def __init__(
        self,
        *,
        scenario: str = "small",
        seed: int = 7,
        faults: Iterable[str] = (),
        clock: Callable[[], int] | None = None,
        kept: Path | None = None,
        at_work: bool = False,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        if scenario not in SCENARIOS:
            raise ValueError(f"unknown scenario {scenario!r}; there are {', '.join(SCENARIOS)}")
        self.site: Site = furnished(clock or (lambda: int(time.time())))
        if not (kept and recall(self.site, kept)):
            fill(self.site, SCENARIOS[scenario], seed)
        self.service = Service(self.site, TOKEN)
        if at_work:
            self.service.after.append(work)
        if kept:
            self.service.after.append(lambda site, _function, _params: keep(site, kept))
        self.service.switchboard.set(faults)
        self._host, self._port = host, port
        self._server: ServerThread | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Listen; clients may connect when this returns."""
        self._server = ServerThread(self.service.answer, self._host, self._port)
        self._server.start()

    def stop(self) -> None:
        """Close every socket and end the thread. Stopping twice does nothing."""
        if self._server is not None:
            self._server.stop()
            self._server = None

    @property
    def url(self) -> str:
        """Scheme, host and port, e.g. `http://127.0.0.1:8103`.

        Raises:
            RuntimeError: the simulator does not run.
        """
        if self._server is None:
            raise RuntimeError("the simulator does not run")
        return f"http://{self._host}:{self._server.port}"

    @property
    def token(self) -> str:
        """The web-service user's token."""
        return self.service.token

    @property
    def requests(self) -> list[Request]:
        """Every call so far, in order."""
        return self.service.requests

    @property
    def ledger(self) -> list[Effect]:
        """Every write that was done so far, in order, whether or not its answer arrived."""
        return self.service.ledger

    def set_faults(self, faults: Iterable[str]) -> None:
        """Switch these on and all others off; `@k` counts from here.

        Raises:
            ValueError: one of them is none.
        """
        with self.service.lock:
            self.service.switchboard.set(faults)

    def clear_faults(self) -> None:
        """Behave."""
        self.set_faults(())
