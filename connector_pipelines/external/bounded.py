"""A limit to how long an answer takes, from its first byte on: a head that drips never waits long for its next byte."""

from __future__ import annotations

import io
import time
from contextlib import contextmanager
from contextvars import ContextVar
from http.client import HTTPResponse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_until: ContextVar[float | None] = ContextVar("until", default=None)


@contextmanager
def until(moment: float) -> Iterator[None]:
    """Answers that begin within must be whole at a moment of `time.monotonic`, a last wait for bytes not counted.

    Beyond it reading raises `TookTooLong`.
    """
    before = _until.set(moment)
    try:
        yield
    finally:
        _until.reset(before)


class TookTooLong(TimeoutError):
    """An answer was not whole in time, though bytes kept coming."""


class _Bounded(io.RawIOBase):
    """A raw stream that ends with an error at a moment."""

    def __init__(self, raw: io.RawIOBase, moment: float) -> None:
        self._raw = raw
        self._moment = moment

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if time.monotonic() > self._moment:
            raise TookTooLong
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class BoundedResponse(HTTPResponse):
    """Reads status, headers and body from a stream that knows when it must end."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        moment = _until.get()
        if moment is not None:
            self.fp = io.BufferedReader(_Bounded(self.fp.detach(), moment))
