"""How both cores are kept busy: work beside the caller or behind it."""

from __future__ import annotations

import sys
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Generic, ParamSpec, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")
P = ParamSpec("P")

_TURN = 0.001


@contextmanager
def short_turns() -> Iterator[None]:
    """Let threads of this process take turns every millisecond instead of every five: one that writes to a socket waits
    for its turn after each few pages of memory, and copied a batch no faster than another was decoded.
    """
    before = sys.getswitchinterval()
    sys.setswitchinterval(_TURN)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


class Beside(Generic[T]):
    """Runs one task at a time in a thread. Starting another waits for the oldest while those that are not done weigh
    more than `most` together with it, so that no backlog grows.

    An exception of a task comes out of a later `start` or of `finish`.
    """

    def __init__(self, most: int = 1) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="beside")
        self._most = most
        self._begun: deque[tuple[Future[T], int]] = deque()
        self._weight = 0

    def start(self, task: Callable[[], T], *, weight: int = 1) -> T | None:
        """Start a task, and return what the last that had to be waited for gave; None where there was none."""
        last = None
        while self._begun and self._weight + weight > self._most:
            last = self._oldest()
        self._begun.append((self._pool.submit(task), weight))
        self._weight += weight
        return last

    def finish(self) -> T | None:
        """Wait for all tasks, and return what the last gave; None where there is none, or it was asked for already."""
        last = None
        while self._begun:
            last = self._oldest()
        return last

    def _oldest(self) -> T:
        task, weight = self._begun.popleft()
        self._weight -= weight
        return task.result()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()


class Behind(Generic[T]):
    """Runs tasks one after the other in a thread while the caller goes on; after one that failed, none.

    At the end of the block the task that runs comes to its end, and none begins.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="behind")
        self._waiting: deque[Future[T]] = deque()
        self._last: Future[T] | None = None

    def add(self, task: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> None:
        """Run a task after all others."""
        self._last = self._pool.submit(self._after, self._last, partial(task, *args, **kwargs))
        self._waiting.append(self._last)

    def done(self) -> Iterator[T]:
        """What tasks gave that have ended, in order, each once; or what stopped one."""
        while self._waiting and self._waiting[0].done():
            yield self._waiting.popleft().result()

    def rest(self) -> Iterator[T]:
        """The same of all tasks; waits for them."""
        while self._waiting:
            yield self._waiting.popleft().result()

    @staticmethod
    def _after(before: Future[T] | None, task: Callable[[], T]) -> T:
        if before:
            before.result()
        return task()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)
