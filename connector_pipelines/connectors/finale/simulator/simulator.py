"""A Finale account in this process, for tests, demos and the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connector_pipelines.connectors.finale.simulator.access import Gate
from connector_pipelines.connectors.finale.simulator.service import Service
from connector_pipelines.connectors.finale.simulator.store import Store
from connector_pipelines.connectors.finale.simulator.world import COLLECTIONS, SCENARIOS, START, Size, World
from connector_pipelines.simulating.running import Running, latest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from connector_pipelines.connectors.finale.simulator.exchange import Request, Write
    from connector_pipelines.connectors.finale.simulator.world import Record

# They open nothing but simulated data.
API_KEY, API_SECRET = "simulator", "simulator-secret"
USERNAME, PASSWORD = "simulated-user", "simulated-password"


class Simulator(Running):
    """A running server with one account behind it. Use it as a context manager.

    Args:
        scenario: small, shop (2,000 products) or warehouse (119,999 products, 10,000 suppliers, 200,000 lines).
        seed: another seed, other data; the same seed, the same bytes.
        faults: what goes wrong, see `faults.FAULTS`.
        account: its name in URLs.
        start: the instant of version 0; every date follows from it.
        size: other numbers than the scenario's.
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
        account: str = "demo",
        start: datetime = START,
        size: Size | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        control: bool = False,
    ) -> None:
        if scenario not in SCENARIOS:
            raise ValueError(f"unknown scenario {scenario!r}; there are {', '.join(SCENARIOS)}")
        world = World(seed, scenario, size or SCENARIOS[scenario], account, start)
        self._store = Store(world)
        self._gate = Gate(API_KEY, API_SECRET, USERNAME, PASSWORD)
        self.service = Service(self._store, self._gate)
        self.service.switchboard.set(faults)
        answer, switchboard = self.service.answer, self.service.switchboard
        super().__init__(answer, switchboard, self._store.lock, host=host, port=port, control=control)

    @property
    def account(self) -> str:
        """The account's name in URLs."""
        return self.world.account

    def report_url(self, form: str = "csv") -> str:
        """The address of the stock report, as csv, json or jsonObject."""
        return f"{self.url}/{self.account}/doc/report/pivotTable/1790000000/Report.csv?format={form}&data=stock"

    @property
    def api_key(self) -> str:
        """The user of HTTP Basic."""
        return self._gate.api_key

    @property
    def api_secret(self) -> str:
        """The password of HTTP Basic."""
        return self._gate.api_secret

    @property
    def username(self) -> str:
        """Of the older log-in."""
        return self._gate.username

    @property
    def password(self) -> str:
        """Of the older log-in."""
        return self._gate.password

    @property
    def requests(self) -> list[Request]:
        """Every request so far, in order, log-ins included."""
        return self.service.requests

    @property
    def ledger(self) -> list[Write]:
        """Every write of a client so far, in order."""
        return self.service.ledger

    @property
    def world(self) -> World:
        """The generated world of the current version."""
        return self._store.world

    @property
    def version(self) -> int:
        """How many steps of evolution were taken."""
        return self.world.version

    def evolve(self, percent: float = 1, *, at: datetime | None = None) -> None:
        """Go on to the next version; the stock of a fifth of the products moves.

        Args:
            percent: share of products, parties and orders that change; a tenth of that is new.
            at: when; a day after the version before by default.

        Raises:
            ValueError: a share outside 0 to 100, or an instant before the current version's.
        """
        with self._store.lock:
            self._store.world = self.world.evolve(percent, at)

    def go_on(self, percent: float, *, vanish: bool = False) -> None:
        """Evolve as of now; nothing vanishes from Finale."""
        if vanish:
            raise ValueError("nothing vanishes from Finale; there are statuses")
        self.evolve(percent, at=latest(self.world.now))

    def described(self) -> dict[str, Any]:
        """The account, and how often it was asked and written to."""
        world = self.world
        return {
            "scenario": world.scenario,
            "seed": world.seed,
            "account": world.account,
            "version": world.version,
            "records": {name: sum(1 for _ in self.expected(name)) for name in COLLECTIONS},
            "requests": len(self.requests),
            "writes": len(self.ledger),
        }

    def greeting(self) -> list[str]:
        """Addresses, credentials, and lines to paste into a shell."""
        api = f"{self.url}/{self.account}/api"
        return [
            f"Finale simulator ({self.world.scenario}, seed {self.world.seed})",
            f"  base_url     {self.url}",
            f"  account      {self.account}",
            f"  API key      {self.api_key}",
            f"  API secret   {self.api_secret}",
            f"  user         {self.username}",
            f"  password     {self.password}",
            f"  report       {self.report_url()}",
            f"  control      {self.url}/__sim__/state",
            "Try:",
            f'  curl -s -u {self.api_key}:{self.api_secret} "{api}/product/?limit=2"',
            f'  curl -s -X POST "{self.url}/__sim__/evolve?percent=5"',
        ]

    def expire_sessions(self) -> None:
        """Forget every log-in."""
        self._gate.sessions.clear()

    def expected(self, collection: str) -> Iterator[Record]:
        """The truth of the current version, one record after the other.

        Raises:
            ValueError: no such collection.
        """
        return self._store.records(collection)

    def put(self, collection: str, url: str, record: dict[str, Any]) -> None:
        """Add or replace a record by its address, exactly as given.

        Raises:
            ValueError: records of this collection have no address.
        """
        with self._store.lock:
            self._store.put(collection, url, record)

    def remove(self, collection: str, url: str) -> None:
        """Take a record away without a trace, which Finale itself does not do.

        Raises:
            ValueError: records of this collection have no address.
        """
        with self._store.lock:
            self._store.put(collection, url, None)
