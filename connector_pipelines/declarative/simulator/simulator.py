"""The simulator: a world behind a server, steered from Python, over HTTP, or from the command line."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from connector_pipelines.declarative.simulator import service
from connector_pipelines.declarative.simulator.service import Service
from connector_pipelines.declarative.simulator.world import COLLECTIONS, SIZES, World
from connector_pipelines.simulating.control import PREFIX
from connector_pipelines.simulating.running import Running

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from connector_pipelines.declarative.simulator.world import Record
    from connector_pipelines.simulating.exchange import Call, Reply


class Simulator(Running):
    """A warehouse on real HTTP; a context manager.

    Args:
        sizes: how many records each collection has, where not the usual number.
        seed: another seed, other records.
        faults: what goes wrong, see `faults.FAULTS`.
        host: interface to listen on.
        port: where to listen; 0 for any.

    Attributes:
        user, secret: what every scheme of `auth` accepts.
        calls: every request in order, as method and target.

    Raises:
        ValueError: no such fault.
        OSError: the port is taken.
    """

    user, secret = service.USER, service.SECRET

    def __init__(
        self,
        *,
        sizes: Mapping[str, int] | None = None,
        seed: int = 7,
        faults: Iterable[str] = (),
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.world = World(seed, SIZES | dict(sizes or {}))
        self.service = Service(self.world)
        self.service.switchboard.set(faults)
        self.calls: list[tuple[str, str]] = []
        self._lock = threading.RLock()
        super().__init__(self._counted, self.service.switchboard, self._lock, host=host, port=port, control=True)

    @property
    def api_url(self) -> str:
        """Where the collections are."""
        return f"{self.url}/api"

    @property
    def token_url(self) -> str:
        """Where credentials become a token."""
        return f"{self.url}/token"

    def evolve(self, percent: float, *, vanish: bool = False) -> None:
        """Change so many of a hundred records, or let them vanish."""
        with self._lock:
            self.world.evolve(percent, vanish=vanish)

    def go_on(self, percent: float, *, vanish: bool = False) -> None:
        """Evolve; the time of this world is its own."""
        self.evolve(percent, vanish=vanish)

    def records(self, collection: str) -> list[Record]:
        """All records of a collection as they are now."""
        return list(self.world.records(collection))

    def described(self) -> dict[str, Any]:
        """The warehouse, and how often it was asked."""
        return {
            "seed": self.world.seed,
            "version": self.world.version,
            "records": {name: len(self.world.numbers(name)) for name in COLLECTIONS},
            "requests": len(self.calls),
        }

    def greeting(self) -> list[str]:
        """Addresses, credentials, and lines to paste into a shell."""
        ask = f'curl -s -H "Authorization: Bearer {self.secret}"'
        return [
            f"Warehouse simulator (seed {self.world.seed})",
            f"  collections   {', '.join(f'{self.api_url}/{name}' for name in COLLECTIONS)}",
            f"  token         {self.token_url}",
            f"  user, secret  {self.user}, {self.secret}",
            f"  control       {self.url}{PREFIX}state",
            "Try:",
            f'  {ask} "{self.api_url}/suppliers?limit=2"',
            f'  {ask} "{self.api_url}/orders.csv?limit=5"',
            f'  curl -s -X POST "{self.url}{PREFIX}faults?fault=429"',
        ]

    def _counted(self, call: Call) -> Reply:
        with self._lock:
            self.calls.append((call.method, f"{call.raw_path}?{call.query}" if call.query else call.raw_path))
            return self.service.answer(call)
