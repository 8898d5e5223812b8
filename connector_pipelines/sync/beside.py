"""Two ways to keep both cores busy while pages are read: work beside the caller, and fewer garbage collections."""

from __future__ import annotations

import gc
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Generic, ParamSpec, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")
P = ParamSpec("P")

_OBJECTS = 1_000_000


class Beside(Generic[T]):
    """Runs one task at a time in a thread. Starting the next waits for the one before, so that no backlog grows.

    An exception of a task comes out of the next `start` or of `finish`.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="beside")
        self._last: Future[T] | None = None

    def start(self, task: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
        """Start a task, and return what the one before it gave; None for the first."""
        before = self.finish()
        self._last = self._pool.submit(task, *args, **kwargs)
        return before

    def finish(self) -> T | None:
        """Wait for the last task, and return what it gave; None where there is none, or it was asked for already."""
        last, self._last = self._last, None
        return None if last is None else last.result()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()


@contextmanager
def few_collections() -> Iterator[None]:
    """Let the collector look for cycles seldom: decoded pages are many objects without any, and looking through them
    again and again took half the time of decoding.
    """
    before = gc.get_threshold()
    gc.set_threshold(_OBJECTS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
