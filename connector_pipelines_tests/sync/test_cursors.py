from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from unittest import mock

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connector_pipelines.errors import BrokenPage
from connector_pipelines.model import Mode, PlanState, Read, Window
from connector_pipelines.sync import applying, cursors, records
from connector_pipelines.sync.cursors import LOOK_BACK, choose
from connector_pipelines.sync.deciding import reject

if TYPE_CHECKING:
    from connector_pipelines.model import Progress
    from connector_pipelines_tests.sync.conftest import Record, Records, Toy

EVERYTHING = Window()
NOW = datetime(2026, 3, 29, 12, tzinfo=UTC)  # the day Europe's clocks change
MONDAY, TUESDAY, TODAY, TOMORROW = (datetime(2026, 3, day, tzinfo=UTC) for day in (23, 24, 29, 30))
NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("mode", "span", "cursor", "asked"),
    [
        (Mode.FULL, EVERYTHING, None, EVERYTHING),
        (Mode.FULL, Window(MONDAY, TUESDAY), MONDAY, EVERYTHING),
        (Mode.INCREMENTAL, EVERYTHING, None, EVERYTHING),
        (Mode.INCREMENTAL, EVERYTHING, MONDAY, Window(MONDAY)),
        (Mode.INCREMENTAL, Window(TODAY, TOMORROW), None, EVERYTHING),
        (Mode.INCREMENTAL, Window(TODAY, TOMORROW), MONDAY, Window(MONDAY)),
        (Mode.INCREMENTAL, Window(TODAY, TOMORROW), NOW, Window(TODAY)),
        (Mode.INCREMENTAL, Window(TODAY), NOW, Window(TODAY)),
        (Mode.INCREMENTAL, Window(MONDAY, TUESDAY), None, Window(MONDAY - LOOK_BACK, TUESDAY)),
        (Mode.INCREMENTAL, Window(MONDAY, TUESDAY), NEW_YEAR, Window(MONDAY - LOOK_BACK, TUESDAY)),
        (Mode.INCREMENTAL, Window(NEW_YEAR, NOW), MONDAY, Window(NEW_YEAR - LOOK_BACK, NOW)),
        (Mode.INCREMENTAL, Window(None, TUESDAY), MONDAY, Window(None, TUESDAY)),
    ],
)
def test_what_a_read_asks_for(mode: Mode, span: Window, cursor: datetime | None, asked: Window) -> None:
    """A past span is read as it is, one that reaches to now from the cursor on, and all without a cursor or in full."""
    assert choose(mode, span=span, cursor=cursor, now=NOW) == asked


@pytest.mark.parametrize(
    ("mode", "cursor", "position", "asked"),
    [
        (Mode.FULL, NEW_YEAR, "7", Window()),
        (Mode.INCREMENTAL, None, "7", Window()),
        (Mode.INCREMENTAL, NEW_YEAR, None, Window()),
        (Mode.INCREMENTAL, NEW_YEAR, "7", Window(NEW_YEAR, after="7")),
    ],
)
def test_what_is_asked_of_a_source_that_counts(
    mode: Mode, cursor: datetime | None, position: str | None, asked: Window
) -> None:
    """What came since the position that was reached; everything in full, or where nothing was ever reached."""
    assert cursors.onward(mode, cursor, position) == asked


def test_position_is_the_newest_of_its_source_and_entity(toy: Toy, make: Records) -> None:
    """Older positions, and those of other sources and entities, say nothing."""
    toy.sends["students"] = [[make.student(1)]]
    toy.sync("students")
    placed = [("toy", "students", "5"), ("toy", "students", "7"), ("toy", "sections", "8"), ("other", "students", "9")]
    with toy.open() as context:
        for source, entity, reached in placed:
            context.connection.execute(
                "INSERT INTO connector.sync_cursors (source, entity, cursor, position, plan_id)"
                " SELECT %s, %s, now(), %s, max(id) FROM connector.sync_plans",
                [source, entity, reached],
            )
        found = [cursors.position(context.connection, source, entity) for source, entity, _ in placed[1:]]
        assert found == ["7", "8", "9"]
        assert cursors.position(context.connection, "other", "sections") is None


def cursor_of(toy: Toy) -> datetime | None:
    """The cursor of the toy's students."""
    with toy.open() as context:
        return cursors.current(context.connection, toy.name, "students")


def started(toy: Toy) -> datetime:
    """When the newest read began."""
    ((at,),) = toy.rows("SELECT started_at FROM connector.sync_runs ORDER BY id DESC LIMIT 1")
    assert isinstance(at, datetime)
    return at


def test_cursor_is_the_start_of_the_read(toy: Toy, make: Records) -> None:
    """The cursor moves to the start of the read minus the look-back, and not before its plan is applied to the end."""
    toy.sends["students"] = [[make.student(1)]]
    toy.prepare("students")
    assert cursor_of(toy) is None
    toy.apply("students")
    assert cursor_of(toy) == started(toy) - LOOK_BACK
    toy.sync("students", mode=Mode.INCREMENTAL)
    assert cursor_of(toy) == started(toy) - LOOK_BACK
    assert len(toy.rows("SELECT id FROM connector.sync_cursors")) == 2


def test_cursor_waits_for_the_receipt(toy: Toy, make: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that ends after its last chunk and before its receipt leaves the cursor where it was; the next moves it."""
    toy.sends["students"] = [[make.student(1)]]
    toy.prepare("students")
    with monkeypatch.context() as patch:
        patch.setattr(applying, "write_receipt", mock.Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            toy.apply("students")
    assert toy.rows("SELECT chunks, applied_chunks, state FROM connector.sync_plans") == [(1, 1, "accepted")]
    assert cursor_of(toy) is None
    toy.apply("students")
    assert cursor_of(toy) == started(toy) - LOOK_BACK


@pytest.mark.parametrize(
    ("window", "proven", "moves"),
    [
        (EVERYTHING, {"complete": True, "snapshot": True}, True),
        (EVERYTHING, {"complete": True}, True),  # all was asked for, though nothing is proven absent
        (EVERYTHING, {"complete": False}, False),
        (Window(MONDAY), {"complete": True}, True),  # from the cursor on
        (Window(NEW_YEAR), {"complete": True}, True),
        (Window(TUESDAY), {"complete": True}, False),  # would leave a gap
        (Window(MONDAY, TUESDAY), {"complete": True}, False),  # ends before now
    ],
)
def test_cursor_moves_when_no_gap_is_left(
    toy: Toy, make: Records, window: Window, proven: dict[str, Any], *, moves: bool
) -> None:
    """The cursor moves after complete reads that reach from it, or before it, to their own start; to nothing else."""
    toy.sends |= {"students": [[make.student(1)]], "organizations": [[make.organization(1)]]}
    toy.sync("students")
    toy.sync("organizations")
    toy.execute("UPDATE connector.sync_cursors SET cursor = '2026-03-23T00:00:00Z'")
    with toy.open() as context:
        plan = records.load_plan(context.connection, 1)
        read = Read(plan.read_id, "toy", "students", window, NOW)
        cursors.advance(context.connection, replace(read, **proven), plan)
        found = [cursors.current(context.connection, "toy", name) for name in ("students", "organizations", "terms")]
    assert found == [NOW - timedelta(minutes=5) if moves else MONDAY, MONDAY, None]


def test_cursor_never_goes_back(toy: Toy, make: Records) -> None:
    """A complete read that began before the cursor, and is applied after it was set, leaves it where it is."""
    toy.sends["students"] = [[make.student(1)]]
    toy.sync("students")
    before = cursor_of(toy)
    with toy.open() as context:
        plan = records.load_plan(context.connection, 1)
        read = replace(records.load_read(context.connection, plan.read_id), started_at=MONDAY)
        cursors.advance(context.connection, read, plan)
    assert cursor_of(toy) == before


@pytest.mark.parametrize("since", [MONDAY, TUESDAY])
def test_first_cursor_needs_everything(toy: Toy, make: Records, since: datetime) -> None:
    """Where nothing was ever read whole, an increment begins no cursor."""
    toy.sends["students"] = [[make.student(1)]]
    toy.prepare("students")
    with toy.open() as context:
        plan = records.load_plan(context.connection, 1)
        read = Read(plan.read_id, "toy", "students", Window(since), NOW, complete=True)
        cursors.advance(context.connection, read, plan)
    assert cursor_of(toy) is None


def test_cursor_stays_when_a_plan_is_held(toy: Toy, make: Records) -> None:
    """A held plan moves no cursor."""
    toy.sends["students"] = [[make.student(1)]]
    toy.sync("students")
    before = cursor_of(toy)
    toy.may(guard={"limits": {"floor": 1, "updated": 0.0}})
    toy.sends["students"] = [[make.student(1, phone="2")]]
    assert toy.sync("students", mode=Mode.INCREMENTAL)["students"].plan.state is PlanState.HELD
    assert cursor_of(toy) == before


def test_cursor_stays_when_a_read_fails(toy: Toy, make: Records) -> None:
    """A failed read moves no cursor, so the next one heals what it missed."""
    toy.sends["students"] = [[make.student(1)]]
    toy.sync("students")
    before = cursor_of(toy)
    late = make.student(2, modified=datetime.now(UTC).isoformat())
    toy.sends["students"] = [[late], BrokenPage("not JSON")]
    with pytest.raises(BrokenPage):
        toy.sync("students", mode=Mode.INCREMENTAL)
    assert cursor_of(toy) == before
    toy.sends["students"] = [[late]]
    assert toy.sync("students", mode=Mode.INCREMENTAL)["students"].plan.counts.created == 1


def test_past_span_moves_no_cursor(toy: Toy, make: Records) -> None:
    """Reading a day in the past again, or a day that lies after the cursor, leaves the cursor where it is."""
    toy.sends["students"] = [[make.student(1)]]
    toy.sync("students")
    before = cursor_of(toy)
    toy.sync("students", mode=Mode.INCREMENTAL, span=Window(MONDAY, TUESDAY))
    assert cursor_of(toy) == before


def test_older_read_moves_the_cursor_no_further_back(toy: Toy, make: Records) -> None:
    """When reads are applied late, the cursor never goes back."""
    toy.sends["students"] = [[make.student(1)]]
    toy.prepare("students")
    toy.prepare("students", mode=Mode.INCREMENTAL)
    newest = started(toy)
    toy.apply("students")
    assert cursor_of(toy) == newest - LOOK_BACK


def test_read_without_a_cursor_asks_for_everything(toy: Toy, make: Records) -> None:
    """The first read of a day reads all, and so it proves absence and begins the cursor."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    toy.sends["students"] = [[make.student(1, modified="2020-01-01T00:00:00+00:00")]]
    outcome = toy.sync("students", mode=Mode.INCREMENTAL, span=Window(today, today + timedelta(days=1)))["students"]
    assert outcome.plan.counts.created == 1
    assert toy.rows("SELECT since, until, snapshot FROM connector.sync_runs") == [(None, None, True)]


@settings(max_examples=10, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(edits=st.lists(st.tuples(st.integers(1, 7), st.integers(0, 5)), max_size=4))
def test_change_during_a_run_is_not_lost(toy: Toy, make: Records, edits: list[tuple[int, int]]) -> None:
    """A row changed at any moment of a run, also behind the page just read, is in core after the next run."""
    toy.reset()
    records = [make.student(n) for n in range(6)]
    toy.sends["students"] = [records[:2], records[2:4], records[4:]]
    toy.chunk_rows = 2
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cursors, "LOOK_BACK", timedelta(0))  # the promise must not hang on it
        toy.sync("students")
        change(records, 0, phone="0")
        seen: list[Progress] = []

        def disturb(progress: Progress) -> None:
            seen.append(progress)
            for row in (row for moment, row in edits if moment == len(seen)):
                change(records, row, phone=str(len(seen)))

        toy.report = disturb
        toy.sync("students", mode=Mode.INCREMENTAL)
        toy.report = lambda _: None
        toy.sync("students", mode=Mode.INCREMENTAL)
    assert toy.core("students", "phone") == [(record.get("phone"),) for record in records]


def change(records: list[Record], row: int, **changes: object) -> None:
    """Change a record in place, as its system does."""
    records[row].update(changes, modified=datetime.now(UTC).isoformat())


def test_nothing_that_was_not_applied_moves_the_cursor(toy: Toy, make: Records) -> None:
    """A dry run, a held plan, a rejected one and a failing apply leave the cursor where it was (P2, P13)."""
    toy.sends["students"] = [[make.student(n) for n in range(10)]]
    toy.sync("students")
    cursors = toy.rows("SELECT * FROM connector.sync_cursors")
    toy.dry_run("students", mode=Mode.INCREMENTAL)
    toy.may(guard={"limits": {"floor": 1}})
    toy.sends["students"] = [[]]
    held = toy.sync("students")["students"].plan
    assert held.state is PlanState.HELD
    with toy.open() as context:
        reject(context, toy.source, held.hash, who="ann", why="looked at")
    toy.may(guard={})
    toy.sends["students"] = [[make.student(n, phone="2") for n in range(10)]]
    toy.prepare("students")
    toy.execute("DROP TABLE connector.sync_changes CASCADE")  # any error that is not about a row
    with pytest.raises(psycopg.Error):
        toy.apply("students")
    assert toy.rows("SELECT * FROM connector.sync_cursors") == cursors


def test_a_full_read_repairs_what_increments_missed(toy: Toy, make: Records) -> None:
    """A change that no increment showed is in core after the next full read, and the cursor goes on from there."""
    toy.sends["students"] = [[make.student(1, modified="2026-01-01T00:00:00Z")]]
    toy.sync("students")
    late = make.student(1, phone="2", modified="2026-01-02T00:00:00Z")  # committed late, with an old time
    toy.sends["students"] = [[late]]
    toy.sync("students", mode=Mode.INCREMENTAL)
    assert toy.core("students", "phone") == [(None,)]
    assert toy.sync("students")["students"].plan.counts.updated == 1
    assert toy.core("students", "phone") == [("2",)]
    (first, *_, last) = toy.rows("SELECT cursor FROM connector.sync_cursors ORDER BY id")
    assert last > first
