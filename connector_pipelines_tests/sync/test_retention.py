"""What was kept long enough goes; what anything may still ask for stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from connector_pipelines.errors import AnotherRunIsActive, BrokenPage, ConfigurationError
from connector_pipelines.settings import settings
from connector_pipelines.sync.letters import Choice, clear
from connector_pipelines.sync.locks import hold
from connector_pipelines.sync.reconciling import reconcile
from connector_pipelines.sync.replaying import replay
from connector_pipelines.sync.retention import Expired, retain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connector_pipelines_tests.sync.conftest import Records, Toy

TOO_LONG = "x" * 300


@pytest.fixture(autouse=True)
def thirty_days(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Thirty days are long enough."""
    monkeypatch.setenv("CONNECTOR_PIPELINES_RETENTION_DAYS", "30")
    settings.cache_clear()
    yield
    settings.cache_clear()


def removed(toy: Toy, *, apply: bool = True) -> list[Expired]:
    """What retention removes now."""
    with toy.open() as context:
        return retain(context, who="ann", why="thirty days are over", apply=apply)


def age(toy: Toy) -> None:
    """Let everything be of two months ago."""
    toy.execute(
        "UPDATE connector.sync_runs SET finished_at = finished_at - interval '60 days'",
        "UPDATE connector.dead_letters SET updated_at = updated_at - interval '60 days'",
    )


def read(toy: Toy, phone: str, make: Records) -> int:
    """A full read of students that says something new; its number."""
    toy.sends["students"] = [[make.student(1, phone=phone), make.student(2)]]
    return toy.sync("students")["students"].plan.read_id


def test_old_pages_go_and_the_newest_complete_read_stays(toy: Toy, make: Records) -> None:
    """Of three old reads the newest stays whole: core can still be compared with it. A preview removes nothing."""
    first, second, third = (read(toy, phone, make) for phone in "123")
    assert removed(toy) == []
    age(toy)
    [looked] = removed(toy, apply=False)
    assert toy.landing.reads("toy", "students") == [first, second, third]
    assert removed(toy) == [looked] == [Expired("toy", "students", (first, second), 0)]
    assert toy.landing.reads("toy", "students") == [third]
    assert removed(toy) == []
    with toy.open() as context:
        assert reconcile(context, toy.source, "students").alarms == 0
    assert toy.rows("SELECT who, source, entity, detail FROM connector.integration_audit_logs") == [
        (
            "ann",
            "toy",
            "students",
            {"why": "thirty days are over", "days": 30, "reads": [first, second], "letters": 0},
        )
    ]


def test_a_replay_of_what_was_removed_says_so(toy: Toy, make: Records) -> None:
    """It names the read and retention, and leaves no half-made replay behind."""
    old, _ = (read(toy, phone, make) for phone in "12")
    age(toy)
    removed(toy)
    before = toy.rows("SELECT count(*) FROM connector.sync_runs")
    with toy.open() as context, pytest.raises(BrokenPage, match=f"pages of read {old} were removed by retention, 20"):
        replay(context, toy.source, old)
    assert toy.rows("SELECT count(*) FROM connector.sync_runs") == before


def test_an_open_plan_and_a_read_without_one_keep_their_pages(toy: Toy, make: Records) -> None:
    """A plan that waits for a person, a replay that does, and a read that is still to be planned need theirs."""
    toy.may(guard={"limits": {"floor": 1}})
    toy.sends["students"] = [[make.student(n) for n in range(9)]]
    first = toy.sync("students")["students"].plan.read_id
    toy.sends["students"] = [[make.student(n, phone="1") for n in range(9)]]
    held = toy.sync("students")["students"].plan
    unplanned = toy.pull("students").id
    age(toy)
    assert held.state == "held"
    assert removed(toy) == []
    with toy.open() as context:
        replay(context, toy.source, first)
    toy.may(guard={"limits": {"floor": 100}})
    toy.plan("students")
    toy.apply("students")
    age(toy)
    assert removed(toy) == [Expired("toy", "students", (first, held.read_id), 0)]
    assert toy.landing.reads("toy", "students") == [unplanned]


def test_dead_letters_keep_their_pages_until_they_are_settled(toy: Toy, make: Records) -> None:
    """An open letter keeps itself and its read; once it is settled and old, both go."""
    toy.sends["students"] = [[make.student(1), make.student(TOO_LONG)]]
    old = toy.sync("students")["students"].plan.read_id
    toy.sync("students")
    age(toy)
    assert removed(toy) == []
    with toy.open() as context:
        clear(context.connection, "toy", Choice(), who="ann", why="a test record")
    [looked] = removed(toy, apply=False)
    assert looked == Expired("toy", "students", (old,), 0)
    age(toy)
    assert removed(toy) == [Expired("toy", "students", (old,), 1)]
    assert toy.letters("id") == []


def test_pages_of_failed_reads_go(toy: Toy, make: Records) -> None:
    """What a read landed before it failed is of no use to anybody later."""
    toy.sends["students"] = [[make.student(1)], BrokenPage("damaged", remedy="none")]
    with pytest.raises(BrokenPage):
        toy.pull("students")
    age(toy)
    assert [len(one.reads) for one in removed(toy)] == [1]
    assert toy.landing.reads("toy", "students") == []


def test_a_removal_that_was_cut_off_is_finished(toy: Toy, make: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a crash between two pages the read says that it was removed, and the next run removes the rest."""
    old, _ = (read(toy, phone, make) for phone in "12")
    age(toy)
    paths = type(toy.landing._folder("toy", "students", old))
    with monkeypatch.context() as patch:
        patch.setattr(paths, "unlink", lambda _: (_ for _ in ()).throw(OSError("the process died")))
        with pytest.raises(OSError, match="the process died"):
            removed(toy)
    with pytest.raises(BrokenPage, match="removed by retention"):
        list(toy.landing.pages("toy", "students", old))
    assert removed(toy) == [Expired("toy", "students", (old,), 0)]


def test_a_busy_source_keeps_it_from_no_other(toy: Toy, make: Records) -> None:
    """What is being read just now is left alone, and said at the end; everything else is removed."""
    other = toy.twin("later")
    for phone in "12":
        read(toy, phone, make)
        read(other, phone, make)
    age(toy)
    refused = pytest.raises(AnotherRunIsActive, match="later/students")
    with toy.open() as reading, hold(reading.connection, "later/students"), refused:
        removed(toy)
    refused = pytest.raises(AnotherRunIsActive, match="toy/students")
    with toy.open() as reading, hold(reading.connection, "toy/students"), refused:
        removed(toy)
    assert [len(toy.landing.reads(name, "students")) for name in ("toy", "later")] == [1, 1]


def test_nothing_goes_without_a_setting_or_a_reason(toy: Toy, make: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    """Off by default; and whoever removes says why."""
    for phone in "12":
        read(toy, phone, make)
    age(toy)
    with toy.open() as context, pytest.raises(ConfigurationError, match="nothing is removed without a reason"):
        retain(context, who="ann", why=" ", apply=True)
    monkeypatch.delenv("CONNECTOR_PIPELINES_RETENTION_DAYS")
    settings.cache_clear()
    with toy.open() as context, pytest.raises(ConfigurationError, match="Set CONNECTOR_PIPELINES_RETENTION_DAYS"):
        retain(context, who="ann", why="all of it", apply=True)
    assert len(toy.landing.reads("toy", "students")) == 2
