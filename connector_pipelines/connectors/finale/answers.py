"""Answers one after the other, each in a file of its own, since one may hold a whole collection. While one is worked
through, the next is asked for already: Finale takes its time for a large one.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from tempfile import TemporaryFile
from threading import Event, Thread
from typing import IO, TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connector_pipelines.external.http import Client, Request, Response


@dataclass(frozen=True, slots=True)
class Answer:
    """A good answer, its body in a file."""

    response: Response
    file: IO[bytes]

    def close(self) -> None:
        """Give the file's space back. Of a large one that takes a while, for which nobody has to wait."""
        Thread(target=self.file.close).start()


class Answers:
    """The answers of one read. Leaving the context gives up what is under way."""

    def __init__(self, http: Client) -> None:
        self._http = http
        self._stop = Event()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="answer")
        self._under_way: dict[Request, Future[Answer]] = {}

    @contextmanager
    def to(self, request: Request, then: Request | None = None) -> Iterator[Answer]:
        """The answer to a request. Once it is there, the one that will follow is asked for.

        Raises:
            SyncError: see `Client.send`.
        """
        self._ask(request)
        answer = self._under_way.pop(request).result()
        try:
            if then:
                self._ask(then)
            yield answer
        finally:
            answer.close()

    def _ask(self, request: Request) -> None:
        if request not in self._under_way:
            self._under_way[request] = self._pool.submit(self._asked, request)

    def _asked(self, request: Request) -> Answer:
        file = TemporaryFile()  # noqa: SIM115 -- the answer closes it
        try:
            return Answer(self._http.send(replace(request, into=file), self._stop), file)
        except BaseException:
            file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._pool.shutdown(cancel_futures=True)
        for future in self._under_way.values():
            if not future.cancelled() and future.exception() is None:
                future.result().close()
