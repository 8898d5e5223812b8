"""A OneRoster server in this process, for tests, demos and the command line (requirements F38 to F46)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from connector_pipelines.connectors.oneroster.simulator.auth import Gate
from connector_pipelines.connectors.oneroster.simulator.identifiers import GRADEBOOK, RESOURCES, ROSTERING, V1P1
from connector_pipelines.connectors.oneroster.simulator.service import Flavour, Service
from connector_pipelines.connectors.oneroster.simulator.store import Store
from connector_pipelines.connectors.oneroster.simulator.world import COLLECTIONS, HREF_BASE, START, World
from connector_pipelines.simulating.running import Running, latest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from connector_pipelines.connectors.oneroster.simulator.exchange import Request
    from connector_pipelines.connectors.oneroster.simulator.identifiers import Record
    from connector_pipelines.connectors.oneroster.simulator.writes import Write

CLIENT_ID = "simulator"
CLIENT_SECRET = "simulator-secret"  # noqa: S105  (opens nothing but simulated data)


class Simulator(Running):
    """A running OneRoster server with a whole school or district behind it. Use it as a context manager.

    Args:
        scenario: tiny (27 users), small (200), school (1,000) or district (100,000 users, 1,000,000 enrollments).
        seed: another seed, other people; the same seed, the same bytes.
        faults: what goes wrong, see `faults.FAULTS`.
        flavour: `standard`, or `timeback` for its deviations (contract 1.4).
        start: the instant of version 0; every date follows from it.
        token_seconds: how long access tokens last.
        host: interface to listen on.
        port: 0 for any free one.
        href_base: scheme and host of hrefs in references; a fixed one by default, so that pages do not depend on the
            port.
        clock: milliseconds since 1970 for records that consumers write; by default they count on from the version's
            date.
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
        flavour: Flavour = "standard",
        start: datetime = START,
        token_seconds: float = 3600,
        host: str = "127.0.0.1",
        port: int = 0,
        href_base: str = HREF_BASE,
        clock: Callable[[], int] | None = None,
        control: bool = False,
    ) -> None:
        world = World(seed, scenario, start, href_base=href_base)
        self._counted = world.shape  # an unknown scenario is refused here, not at the first request
        self._store = Store(world)
        self._gate = Gate(CLIENT_ID, CLIENT_SECRET, token_seconds)
        self.service = Service(self._store, self._gate, flavour, clock)
        self.service.switchboard.set(faults)
        answer, switchboard = self.service.answer, self.service.switchboard
        super().__init__(answer, switchboard, self._store.lock, host=host, port=port, control=control)

    @property
    def rostering_url(self) -> str:
        """Base address of 1.2 rostering."""
        return f"{self.url}{ROSTERING}"

    @property
    def gradebook_url(self) -> str:
        """Base address of 1.2 gradebook."""
        return f"{self.url}{GRADEBOOK}"

    @property
    def resources_url(self) -> str:
        """Base address of 1.2 resources."""
        return f"{self.url}{RESOURCES}"

    @property
    def v1p1_url(self) -> str:
        """Base address of 1.1, all services."""
        return f"{self.url}{V1P1}"

    @property
    def token_url(self) -> str:
        """Where client credentials become a token."""
        return f"{self.url}/oauth/token"

    @property
    def client_id(self) -> str:
        """OAuth 2 client id; in 1.1 also the OAuth 1.0a consumer key."""
        return self._gate.client_id

    @property
    def client_secret(self) -> str:
        """OAuth 2 client secret; in 1.1 also the OAuth 1.0a consumer secret."""
        return self._gate.client_secret

    @property
    def requests(self) -> list[Request]:
        """Every request so far, in order, token requests included."""
        return self.service.requests

    @property
    def ledger(self) -> list[Write]:
        """Every write of a consumer so far, in order."""
        return self.service.ledger

    @property
    def world(self) -> World:
        """The generated world of the current version."""
        return self._store.world

    @property
    def version(self) -> int:
        """How many steps of evolution were taken."""
        return self.world.version

    def evolve(self, percent: float = 1, *, at: datetime | None = None, vanish: bool = False) -> None:
        """Go on to the next version.

        Args:
            percent: share of users, classes and enrollments that change.
            at: when; a day after the version before by default.
            vanish: deleted records are gone at once, with what hangs on them, instead of `tobedeleted`.

        Raises:
            ValueError: a share outside 0 to 100, or an instant before the current version's.
        """
        with self._store.lock:
            self._store.become(self.world.evolve(percent, at=at, vanish=vanish))

    def go_on(self, percent: float, *, vanish: bool = False) -> None:
        """Evolve as of now."""
        self.evolve(percent, at=latest(datetime.fromtimestamp(self.world.now_ms / 1000, UTC)), vanish=vanish)

    def described(self) -> dict[str, Any]:
        """The school, and how often it was asked and written to."""
        world = self.world
        return {
            "scenario": world.scenario,
            "seed": world.seed,
            "flavour": self.service.flavour,
            "version": world.version,
            "records": {collection: len(world.rows(collection)) for collection in COLLECTIONS},
            "requests": len(self.requests),
            "writes": len(self.ledger),
        }

    def greeting(self) -> list[str]:
        """Addresses, credentials, and lines to paste into a shell."""
        credentials = f"{self.client_id}:{self.client_secret}"
        token = f"curl -s -u {credentials} -d grant_type=client_credentials {self.token_url}"
        parse = 'sed \'s/.*"access_token":"\\([^"]*\\)".*/\\1/\''
        slash = "/" if self.service.timeback else ""
        return [
            f"OneRoster simulator ({self.world.scenario}, seed {self.world.seed})",
            f"  1.2 rostering   {self.rostering_url}",
            f"  1.2 gradebook   {self.gradebook_url}",
            f"  1.2 resources   {self.resources_url}",
            f"  1.1             {self.v1p1_url}",
            f"  token           {self.token_url}",
            f"  client id       {self.client_id}",
            f"  client secret   {self.client_secret}",
            f"  control         {self.url}/__sim__/state",
            "Try:",
            f'  curl -s -H "Authorization: Bearer $({token} | {parse})" "{self.rostering_url}/users{slash}?limit=2"',
            f'  curl -s -X POST "{self.url}/__sim__/evolve?percent=5"',
        ]

    def expire_tokens(self) -> None:
        """End every access token that was issued."""
        self._gate.expire()

    def expected(self, collection: str) -> Iterator[Record]:
        """The truth of the current version in the shape of 1.2, without the rows of `append_raw`.

        Raises:
            ValueError: no such collection; students, teachers, schools, terms are views of users, orgs and sessions.
        """
        return self._store.expected(collection)

    def put(self, collection: str, record: Record, *, front: bool = False) -> None:
        """Add or replace a record by its sourcedId, exactly as given; `front` lists a new one first.

        Raises:
            ValueError: no such collection.
        """
        self._store.put(collection, record, front=front)

    def remove(self, collection: str, sourced_id: str) -> None:
        """Take a record away without a trace.

        Raises:
            KeyError: there is no such record.
            ValueError: no such collection.
        """
        self._store.remove(collection, sourced_id)

    def append_raw(self, collection: str, raw: bytes | Record) -> None:
        """Serve this at the end of the collection as it is: rows no schema would let pass, duplicates, broken JSON.

        Raises:
            ValueError: no such collection.
        """
        self._store.append_raw(collection, raw)
