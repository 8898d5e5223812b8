from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Event

import pytest

from connector_pipelines.sync.beside import Beside, short_turns


def test_a_task_waits_only_where_too_many_are_not_done() -> None:
    """Tasks run in order. Of two that may wait neither holds up the caller; a third does, until the first is done."""
    ran: list[int] = []
    may_end = Event()

    def task(number: int) -> int:
        may_end.wait()
        ran.append(number)
        return number

    with Beside[int](2) as beside, ThreadPoolExecutor(1) as caller:
        assert (beside.start(partial(task, 1)), beside.start(partial(task, 2))) == (None, None)
        third = caller.submit(beside.start, partial(task, 3))
        assert not third.done()
        may_end.set()
        assert third.result() == 1
        assert beside.finish() == 3
    assert ran == [1, 2, 3]


def test_what_weighs_more_than_may_wait_runs_alone() -> None:
    """Light tasks wait together; a heavy one begins once all before it are done, however much it weighs."""
    ran: list[int] = []
    with Beside[None](10) as beside:
        for number in range(5):
            beside.start(partial(ran.append, number), weight=2)
        beside.start(partial(ran.append, 5), weight=1_000)
        assert ran[:5] == [0, 1, 2, 3, 4]
    assert ran == [0, 1, 2, 3, 4, 5]


def test_what_stops_a_task_comes_out() -> None:
    """An error of a task comes out of the next start that waits for it, or of the end."""

    def fail() -> None:
        raise OSError("the disk is full")

    with Beside[None](2) as beside:
        beside.start(fail)
        beside.start(partial(print, ""))
        with pytest.raises(OSError, match="full"):
            beside.start(partial(print, ""))
        beside.start(fail)
        with pytest.raises(OSError, match="full"):
            beside.finish()


def test_turns_are_as_long_as_before_afterwards() -> None:
    """Threads take shorter turns for a while, also where that ends with an error."""
    before = sys.getswitchinterval()

    @short_turns()
    def run() -> None:
        assert sys.getswitchinterval() < before
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        run()
    assert sys.getswitchinterval() == before
