"""What every simulator in this process can do: listen, stop, say where it listens, misbehave, and be steered."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from connector_pipelines.simulating.control import controlled
from connector_pipelines.simulating.server import ServerThread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from threading import RLock

    from connector_pipelines.simulating.exchange import Call, Reply
    from connector_pipelines.simulating.faults import Switchboard


class Running:
    """A service that listens from `start` to `stop`. A context manager, whose subclasses have a world behind it.

    Args:
        answer: what the service says to a call.
        switchboard: its faults.
        lock: held while faults change, so that no call sees half of it.
        host: interface to listen on.
        port: 0 for any free one.
        control: answer under `/__sim__/`, too (`control.py`).
    """

    def __init__(
        self,
        answer: Callable[[Call], Reply],
        switchboard: Switchboard,
        lock: RLock,
        *,
        host: str,
        port: int,
        control: bool = False,
    ) -> None:
        self._answer = partial(controlled, self, answer) if control else answer
        self._switchboard, self._faults_lock = switchboard, lock
        self._host, self._port = host, port
        self._server: ServerThread | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Listen; clients may connect when this returns.

        Raises:
            OSError: the port is taken.
        """
        self._server = ServerThread(self._answer, self._host, self._port)
        self._server.start()

    def stop(self) -> None:
        """Close every socket and end the thread. Stopping twice does nothing."""
        if self._server is not None:
            self._server.stop()
            self._server = None

    @property
    def url(self) -> str:
        """Scheme, host and port, e.g. `http://127.0.0.1:8100`.

        Raises:
            RuntimeError: the simulator does not run.
        """
        if self._server is None:
            raise RuntimeError("the simulator does not run")
        return f"http://{self._host}:{self._server.port}"

    def set_faults(self, faults: Iterable[str]) -> None:
        """Switch these on and all others off; `@k` counts from here.

        Raises:
            ValueError: one of them is none.
        """
        with self._faults_lock:
            self._switchboard.set(faults)

    def clear_faults(self) -> None:
        """Behave."""
        self.set_faults(())

    def state(self) -> dict[str, Any]:
        """What it is and has done so far."""
        return self.described() | {"faults": [fault.name for fault in self._switchboard.faults]}

    def described(self) -> dict[str, Any]:
        """Its world and what was asked of it, as far as a subclass says so."""
        return {}

    def greeting(self) -> list[str]:
        """What who serves it is told: addresses, credentials, and lines to paste into a shell."""
        return [self.url]

    def go_on(self, percent: float, *, vanish: bool = False) -> None:
        """Let so many percent of its records change now.

        Args:
            percent: 0 to 100.
            vanish: what is deleted leaves no trace.

        Raises:
            ValueError: another share, or this world does not change by itself or leaves its traces.
        """
        raise ValueError(f"this world does not change by itself, by {percent:g} % as little as by any ({vanish=})")


def latest(moment: datetime) -> datetime:
    """Now, or the instant of a world that is ahead of us."""
    return max(datetime.now(UTC), moment)
