"""A Moodle site in this process, for tests, demos and the command line."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from connector_pipelines.connectors.moodle.simulator.keeping import keep, recall
from connector_pipelines.connectors.moodle.simulator.school import SCENARIOS, fill, work
from connector_pipelines.connectors.moodle.simulator.service import PATH, Service
from connector_pipelines.connectors.moodle.simulator.site import furnished
from connector_pipelines.simulating.running import Running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from connector_pipelines.connectors.moodle.simulator.service import Effect, Request
    from connector_pipelines.connectors.moodle.simulator.site import Site

TOKEN = "5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e"  # noqa: S105 -- it opens nothing but simulated data


class Simulator(Running):
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
        control: answer under `/__sim__/`, too; for simulators that run as a process of their own.

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
        control: bool = False,
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
        answer, switchboard = self.service.answer, self.service.switchboard
        super().__init__(answer, switchboard, self.service.lock, host=host, port=port, control=control)

    def described(self) -> dict[str, Any]:
        """The site, and how often it was asked and written to."""
        return {
            "records": {name: len(rows) for name, rows in self.site.tables.items()},
            "requests": len(self.requests),
            "writes": len(self.ledger),
        }

    def greeting(self) -> list[str]:
        """Address, token, and a line to paste into a shell."""
        form = "moodlewsrestformat=json&wsfunction=core_webservice_get_site_info"
        return [
            "Moodle simulator",
            f"  base_url  {self.url}",
            f"  token     {self.token}",
            f"  control   {self.url}/__sim__/state",
            "Try:",
            f'  curl -s -d "{form}&wstoken={self.token}" {self.url}{PATH}',
        ]

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
