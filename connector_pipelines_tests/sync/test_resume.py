"""Runs that are cut off, and the next one that goes on from what is durable; `proof` kills them at every boundary."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from connector_pipelines.model import PlanState

if TYPE_CHECKING:
    from collections.abc import Callable

    from connector_pipelines.model import Progress
    from connector_pipelines_tests.sync.conftest import Records, Toy

STATE = (
    "SELECT external_id, phone, sync_version, sync_status FROM core.synced_students ORDER BY 1",
    "SELECT external_id, state FROM connector.dead_letters ORDER BY 1",
    "SELECT external_id, changes FROM connector.sync_changes ORDER BY 1, 2",
    "SELECT count(*), count(DISTINCT external_id) FROM connector.external_system_mappings",
    "SELECT count(*) FROM core.students",
)


@pytest.fixture
def synced(toy: Toy, make: Records) -> Toy:
    """A toy with five students in core, of which the next read changes two, adds three and holds a bad one."""
    toy.sends["students"] = [[make.student(n) for n in range(5)]]
    toy.sync("students")
    toy.chunk_rows = 2
    toy.sends["students"] = [
        [make.student(n, phone="new" if n in {1, 3} else None) for n in range(4)],
        [make.student(n) for n in range(4, 8)] + [make.student(8, given_name=None)],
    ]
    return toy


@pytest.fixture
def expected() -> list[object]:
    """What the database holds after a run that nobody cut off."""
    return [
        [("s0", None, 1, "synced"), ("s1", "new", 2, "synced"), ("s2", None, 1, "synced"), ("s3", "new", 2, "synced")]
        + [(f"s{n}", None, 1, "synced") for n in range(4, 8)],
        [("s8", "open")],
        [("s1", {"phone": [None, "new"]}), ("s3", {"phone": [None, "new"]})],
        [(9, 9)],
        [(8,)],
    ]


def held(toy: Toy) -> list[object]:
    """What the database holds now."""
    return [toy.rows(query) for query in STATE]


def kill_at(count: int) -> Callable[..., None]:
    """A callback that kills its process when it is called for the n-th time."""
    left = [count]

    def callback(*_: object, **__: object) -> None:
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)

    return callback


def test_what_a_whole_run_leaves(synced: Toy, expected: list[object]) -> None:
    """The uninterrupted run leaves what the interrupted ones are compared with."""
    assert synced.sync("students")["students"].verified
    assert held(synced) == expected


@pytest.mark.parametrize("chunk", [1, 2])
def test_resumes_at_the_next_chunk(synced: Toy, chunk: int) -> None:
    """A run that was killed after chunk k leaves k durable chunks, and applying goes on at k + 1."""
    synced.prepare("students")
    synced.report = kill_at(chunk)
    assert synced.in_a_child(lambda: synced.apply("students")) == signal.SIGKILL
    assert synced.rows("SELECT applied_chunks FROM connector.sync_plans WHERE state = 'accepted'") == [(chunk,)]
    seen: list[Progress] = []
    synced.report = seen.append
    (receipt,) = synced.apply("students")
    assert [progress.done for progress in seen] == list(range(chunk + 1, 4))
    assert (receipt.verified, receipt.counts.updated, receipt.counts.created) == (True, 2, 3)


def test_cancelled_run_goes_on(synced: Toy, expected: list[object]) -> None:
    """A run that is cancelled between chunks leaves its locks and resumes where it was."""
    synced.prepare("students")

    def cancel(_: Progress) -> None:
        raise KeyboardInterrupt

    synced.report = cancel
    with pytest.raises(KeyboardInterrupt):
        synced.apply("students")
    assert synced.rows("SELECT applied_chunks FROM connector.sync_plans WHERE state = 'accepted'") == [(1,)]
    synced.report = lambda _: None
    (receipt,) = synced.apply("students")
    assert receipt.verified
    assert held(synced) == expected


def test_cancelled_read_is_not_planned(synced: Toy) -> None:
    """A read that was cancelled is closed as failed by the next one, its staged rows are gone, nothing was planned."""

    def cancel(_: Progress) -> None:
        raise KeyboardInterrupt

    synced.report = cancel
    with pytest.raises(KeyboardInterrupt):
        synced.sync("students")
    synced.report = lambda _: None
    plan = synced.sync("students")["students"].plan
    assert plan.state is PlanState.APPLIED
    assert synced.rows("SELECT state, error FROM connector.sync_runs ORDER BY id") == [
        ("read", None),
        ("failed", "the run ended before its read did"),
        ("read", None),
    ]
    assert synced.rows("SELECT relname FROM pg_class WHERE relnamespace = 'staging'::regnamespace") == []
