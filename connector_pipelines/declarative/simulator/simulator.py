"""The simulator: a world behind a server, steered from Python, over HTTP, or from the command line."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Self

from connector_pipelines.declarative.simulator import service
from connector_pipelines.declarative.simulator.service import Service
from connector_pipelines.declarative.simulator.world import COLLECTIONS, SIZES, World
from connector_pipelines.simulating.exchange import Call, Reply, as_json
from connector_pipelines.simulating.server import ServerThread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from connector_pipelines.declarative.simulator.world import Record

DEFAULT_PORT = 8200
CONTROL = "/__sim__/"


class Simulator:
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
        self.set_faults(faults)
        self.calls: list[tuple[str, str]] = []
        self._lock = threading.Lock()
        self._server = ServerThread(self._answer, host, port)
        self.url = f"http://{host}:{self._server.port}"
        self.api_url = f"{self.url}/api"
        self.token_url = f"{self.url}/token"

    def set_faults(self, faults: Iterable[str]) -> None:
        """Switch these faults on and all others off.

        Raises:
            ValueError: there is no such fault.
        """
        self.service.switchboard.set(faults)

    def evolve(self, percent: float, *, vanish: bool = False) -> None:
        """Change so many of a hundred records, or let them vanish."""
        with self._lock:
            self.world.evolve(percent, vanish=vanish)

    def records(self, collection: str) -> list[Record]:
        """All records of a collection as they are now."""
        return list(self.world.records(collection))

    def _answer(self, call: Call) -> Reply:
        with self._lock:
            if call.path.startswith(CONTROL):
                return self._controlled(call)
            self.calls.append((call.method, f"{call.raw_path}?{call.query}" if call.query else call.raw_path))
            return self.service.answer(call)

    def _controlled(self, call: Call) -> Reply:
        """`POST /__sim__/faults?fault=…`, `POST /__sim__/evolve?percent=5&vanish=true`, `GET /__sim__/state`."""
        try:
            if call.path == f"{CONTROL}faults":
                self.set_faults(value for name, value in call.pairs if name == "fault")
            elif call.path == f"{CONTROL}evolve":
                asked = call.params
                self.world.evolve(float(asked.get("percent", "1")), vanish=asked.get("vanish") == "true")
        except ValueError as error:
            return as_json(400, {"error": str(error)})
        return as_json(200, self._state())

    def _state(self) -> dict[str, Any]:
        return {
            "seed": self.world.seed,
            "version": self.world.version,
            "records": {name: len(self.world.numbers(name)) for name in COLLECTIONS},
            "faults": [fault.name for fault in self.service.switchboard.faults],
            "requests": len(self.calls),
        }

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()


def serve(
    *,
    port: int = DEFAULT_PORT,
    host: str = "127.0.0.1",
    seed: int = 7,
    size: int | None = None,
    faults: Iterable[str] = (),
    say: Callable[[str], object] = print,
    stop: threading.Event | None = None,
) -> None:
    """Serve until interrupted.

    Args:
        port: where to listen.
        host: interface to listen on.
        seed: another seed, other records.
        size: records of each collection; None for the usual numbers.
        faults: what goes wrong.
        say: where the addresses are written to.
        stop: ends the serving when set; Ctrl-C does, too.

    Raises:
        ValueError: no such fault.
        OSError: the port is taken.
    """
    ended = stop or threading.Event()
    sizes = dict.fromkeys(COLLECTIONS, size) if size else None
    with Simulator(sizes=sizes, seed=seed, faults=faults, host=host, port=port) as simulator:
        for line in greeting(simulator):
            say(line)
        try:
            ended.wait()
        except KeyboardInterrupt:
            say("Stopped.")


def greeting(simulator: Simulator) -> list[str]:
    """Addresses, credentials, and lines to paste into a shell."""
    ask = f'curl -s -H "Authorization: Bearer {simulator.secret}"'
    return [
        f"Warehouse simulator (seed {simulator.world.seed})",
        f"  collections   {', '.join(f'{simulator.api_url}/{name}' for name in COLLECTIONS)}",
        f"  token         {simulator.token_url}",
        f"  user, secret  {simulator.user}, {simulator.secret}",
        f"  control       {simulator.url}{CONTROL}state",
        "Try:",
        f'  {ask} "{simulator.api_url}/suppliers?limit=2"',
        f'  {ask} "{simulator.api_url}/orders.csv?limit=5"',
        f'  curl -s -X POST "{simulator.url}{CONTROL}faults?fault=429"',
    ]
