"""A Canvas site in this process, for tests, demos and the command line (requirements F38 to F46, S6)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from connector_pipelines.connectors.canvas.simulator import tokens
from connector_pipelines.connectors.canvas.simulator.service import TOKEN_PATH, Service
from connector_pipelines.connectors.canvas.simulator.world import START, World
from connector_pipelines.simulating.running import Running, latest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime

    from connector_pipelines.connectors.canvas.simulator.exchange import Request
    from connector_pipelines.connectors.canvas.simulator.world import Record


class Simulator(Running):
    """A running Canvas site. Use it as a context manager.

    Args:
        scenario: tiny (24 students), small (260, of whom 250 are in one course) or college (3,000).
        seed: another seed, other people; the same seed, the same bytes.
        faults: what goes wrong, see `faults.FAULTS`.
        start: the instant of the first version; every date follows from it.
        token_seconds: how long access tokens last.
        host: interface to listen on.
        port: 0 for any free one.
        clock: seconds since 1970, by which tokens end and buckets leak.
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
        start: datetime = START,
        token_seconds: float = 3_600,
        host: str = "127.0.0.1",
        port: int = 0,
        clock: Callable[[], float] = time.time,
        control: bool = False,
    ) -> None:
        self.world = World(seed, scenario, start)
        self.service = Service(self.world, tokens.Issuer(token_seconds), clock)
        self.service.switchboard.set(faults)
        answer, switchboard = self.service.answer, self.service.switchboard
        super().__init__(answer, switchboard, self.service.lock, host=host, port=port, control=control)

    token = tokens.TOKEN
    client_id = tokens.CLIENT_ID
    client_secret = tokens.CLIENT_SECRET
    refresh_token = tokens.REFRESH_TOKEN

    @property
    def token_url(self) -> str:
        """Where a refresh token becomes an access token."""
        return f"{self.url}{TOKEN_PATH}"

    @property
    def requests(self) -> list[Request]:
        """Every request so far, in order, token requests included."""
        return self.service.requests

    def evolve(self, percent: float = 1, *, at: datetime | None = None) -> None:
        """Go on to the next version; see `World.evolve`.

        Raises:
            ValueError: a share outside 0 to 100, or an instant before the current one.
        """
        with self.service.lock:
            self.world.evolve(percent, at)

    def go_on(self, percent: float, *, vanish: bool = False) -> None:
        """Evolve as of now; nothing vanishes from Canvas."""
        if vanish:
            raise ValueError("nothing vanishes from Canvas; what is deleted is told as such")
        self.evolve(percent, at=latest(self.world.now))

    def described(self) -> dict[str, Any]:
        """What it has, and how often it was asked."""
        world = self.world
        return {
            "scenario": world.scenario,
            "seed": world.seed,
            "version": world.version,
            "records": {name: len(rows) for name, rows in world.tables.items()},
            "requests": len(self.requests),
        }

    def greeting(self) -> list[str]:
        """Addresses, credentials, and lines to paste into a shell."""
        asked = f"{self.url}/api/v1/accounts/self/users?enrollment_type=student&per_page=2"
        return [
            f"Canvas simulator ({self.world.scenario}, seed {self.world.seed})",
            f"  base_url        {self.url}",
            f"  token           {self.token}",
            f"  token url       {self.token_url}",
            f"  client id       {self.client_id}",
            f"  client secret   {self.client_secret}",
            f"  refresh token   {self.refresh_token}",
            f"  control         {self.url}/__sim__/state",
            "Try:",
            f'  curl -si -H "Authorization: Bearer {self.token}" "{asked}"',
            f'  curl -s -X POST "{self.url}/__sim__/evolve?percent=5"',
        ]

    def expected(self, collection: str) -> Iterator[Record]:
        """The truth of the current version: accounts, terms, courses, sections, enrollments, assignments, submissions,
        what people reached as rubric_scores; people as student, teacher and ta. Ids are numbers.

        Raises:
            ValueError: no such collection.
        """
        return self.service.site.expected(collection)

    def put(self, table: str, **fields: Any) -> Record:
        """Add a record, or change the one with that id."""
        with self.service.lock:
            return self.world.put(table, **fields)

    def leave(self, user: int) -> None:
        """Delete a person, with every enrollment."""
        with self.service.lock:
            self.world.leave(user)

    def expire_tokens(self) -> None:
        """End every access token; refresh tokens stay good."""
        with self.service.lock:
            self.service.issuer.access.clear()
