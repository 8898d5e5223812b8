"""A Google Classroom domain in this process, for tests, demos and the command line (requirements F38 to F46)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from connector_pipelines.connectors.google_classroom.simulator import tokens
from connector_pipelines.connectors.google_classroom.simulator.service import TOKEN_PATH, Service
from connector_pipelines.connectors.google_classroom.simulator.world import START, World
from connector_pipelines.simulating.running import Running, latest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime

    from connector_pipelines.connectors.google_classroom.simulator.exchange import Request
    from connector_pipelines.connectors.google_classroom.simulator.world import Record


class Simulator(Running):
    """A running Classroom service with one domain. Use it as a context manager.

    Args:
        scenario: tiny (5 courses), small (12), domain (150) or large (2,000 courses, 30,000 students).
        seed: another seed, other people and courses; the same seed, the same bytes.
        faults: what goes wrong, see `switches.FAULTS`.
        start: the instant of the first version; every time follows from it.
        token_seconds: how long access tokens last.
        host: interface to listen on.
        port: 0 for any free one.
        clock: seconds since 1970.
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

    client_email = tokens.CLIENT_EMAIL
    subject = tokens.ADMIN
    client_id = tokens.CLIENT_ID
    client_secret = tokens.CLIENT_SECRET
    refresh_token = tokens.REFRESH_TOKEN

    @property
    def private_key(self) -> str:
        """The service account's key, as PEM."""
        return tokens.private_key()

    @property
    def token_url(self) -> str:
        """Where assertions and refresh tokens become access tokens."""
        return f"{self.url}{TOKEN_PATH}"

    @property
    def requests(self) -> list[Request]:
        """Every request so far, in order, token requests included."""
        return self.service.requests

    def set_faults(self, faults: Iterable[str]) -> None:
        """Switch these on and all others off; a course that a fault had deleted is there again."""
        super().set_faults(faults)
        with self.service.lock:
            self.service.hidden.clear()

    def evolve(self, percent: float = 1, *, at: datetime | None = None) -> None:
        """Go on to the next version; see `World.evolve`.

        Raises:
            ValueError: a share outside 0 to 100, or an instant before the current one.
        """
        with self.service.lock:
            self.world.evolve(percent, at)

    def expire_tokens(self) -> None:
        """End every access token."""
        with self.service.lock:
            self.service.issuer.access.clear()

    def go_on(self, percent: float, *, vanish: bool = False) -> None:
        """Evolve as of now."""
        if vanish:
            raise ValueError("who leaves Classroom vanishes anyway")
        self.evolve(percent, at=latest(self.world.now))

    def described(self) -> dict[str, Any]:
        """What it has, and how often it was asked."""
        world = self.world
        rosters = {name: sum(map(len, courses.values())) for name, courses in world.rosters.items()}
        return {
            "scenario": world.scenario,
            "seed": world.seed,
            "version": world.version,
            "records": {"courses": len(world.courses), "people": len(world.people)} | rosters,
            "requests": len(self.requests),
            "private_key": self.private_key,
        }

    def greeting(self) -> list[str]:
        """Addresses, credentials, and lines to paste into a shell."""
        identity = f"client_id={self.client_id}&client_secret={self.client_secret}"
        form = f"grant_type=refresh_token&refresh_token={self.refresh_token}&{identity}"
        parse = 'sed \'s/.*"access_token": *"\\([^"]*\\)".*/\\1/\''
        key = "python3 -c 'import json, sys; print(json.load(sys.stdin)[\"private_key\"])'"
        header = f"-H \"Authorization: Bearer $(curl -s -d '{form}' {self.token_url} | {parse})\""
        return [
            f"Google Classroom simulator ({self.world.scenario}, seed {self.world.seed})",
            f"  base_url        {self.url}",
            f"  token           {self.token_url}",
            f"  service account {self.client_email}",
            f"  subject         {self.subject}",
            f"  client id       {self.client_id}",
            f"  client secret   {self.client_secret}",
            f"  refresh token   {self.refresh_token}",
            f"  control         {self.url}/__sim__/state",
            "Try:",
            f'  export GOOGLE_PRIVATE_KEY="$(curl -s {self.url}/__sim__/state | {key})"',
            f'  curl -s {header} "{self.url}/v1/courses?pageSize=2"',
            f'  curl -s -X POST "{self.url}/__sim__/evolve?percent=5"',
        ]

    def expected(self, name: str) -> Iterator[Record]:
        """The truth of the current version: `courses`, or who is in them as `students` or `teachers`."""
        return self.world.expected(name)
