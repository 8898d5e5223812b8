from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from connector_pipelines.database.connection import connect
from connector_pipelines.errors import AnotherRunIsActive, Category
from connector_pipelines.sync.locks import hold

if TYPE_CHECKING:
    from connector_pipelines_tests.sync.conftest import Records, Toy


@pytest.mark.parametrize(("name", "step"), [("toy/students", "prepare"), ("core/students", "apply")])
def test_second_run_is_turned_away(toy: Toy, make: Records, name: str, step: str) -> None:
    """While a run works on a source's entity or a core table, another gets `AnotherRunIsActive` and does nothing."""
    toy.sends["students"] = [[make.student(1)]]
    with connect(toy.url) as first, hold(first, name):
        with pytest.raises(AnotherRunIsActive, match=f"another run is working on {name}") as refused:
            getattr(toy, step)("students")
        assert refused.value.category is Category.CONFLICT
        assert toy.rows("SELECT id FROM connector.sync_runs") == []
        assert first.execute("SELECT 1").fetchone() == (1,)
    assert toy.sync("students")["students"].verified


def test_others_are_not_turned_away(toy: Toy, make: Records) -> None:
    """A lock of one source's entity leaves other entities and other sources alone."""
    other = toy.twin("other")
    other.sends["students"] = toy.sends["organizations"] = [[]]
    other.sends["students"] = [[make.student(1)]]
    with connect(toy.url) as first, hold(first, "toy/students"):
        assert toy.sync("organizations")["organizations"].verified
        assert other.sync("students")["students"].verified


def test_lock_of_a_killed_run_is_free_at_once(toy: Toy, make: Records) -> None:
    """A lock goes with the process that held it: no clean-up, no waiting for a time-out."""
    toy.sends["students"] = [[make.student(1)]]
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        with connect(toy.url) as connection, hold(connection, "toy/students"):
            os.write(writing, b"!")
            signal.pause()
    assert os.read(reading, 1) == b"!"
    with pytest.raises(AnotherRunIsActive):
        toy.prepare("students")
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    with connect(toy.url) as connection:
        gone = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
        while connection.execute(gone).fetchone() != (0,):  # the server notices the closed socket by itself
            continue
    assert toy.sync("students")["students"].verified


def test_lock_is_let_go_after_an_error(toy: Toy) -> None:
    """A run that fails while it holds a lock lets it go, and its error comes through."""
    with connect(toy.url) as connection, connect(toy.url) as other:
        with pytest.raises(ValueError, match="broken"), hold(connection, "toy/students"):
            raise ValueError("broken")
        with hold(other, "toy/students"):
            pass
