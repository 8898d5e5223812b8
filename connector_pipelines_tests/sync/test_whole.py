from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connector_pipelines.database.connection import connect
from connector_pipelines.errors import AnotherRunIsActive, NetworkError
from connector_pipelines.external import surroundings
from connector_pipelines.model import PlanState
from connector_pipelines.sync.locks import hold
from connector_pipelines.sync.whole import sync

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from connector_pipelines.model import Source
    from connector_pipelines_tests.sync.conftest import Record, Records, Toy

examples = settings(
    max_examples=10,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

NAMES = st.sampled_from(["Ann", "Bo", "Çelik", "", " ", 'a"b', "x,y", "\\N", "NULL", "line\nbreak", "\t"])
IDS = ("1", "007", "7", "Ä", "ä", "a b", "%s", "'", "x" * 255)
STUDENTS = st.dictionaries(
    st.sampled_from(IDS),
    st.fixed_dictionaries({"given_name": NAMES, "email": st.none() | NAMES, "enabled": st.none() | st.booleans()}),
    max_size=6,
)


def sent(students: dict[str, Record]) -> list[Record]:
    """The students as records of the toy source; their numbers say that no two of them are the same person."""
    usual = {"family_name": "Toy", "status": "active"}
    return [
        {"id": key, "student_number": f"number {IDS.index(key)}"} | usual | values for key, values in students.items()
    ]


def expected(students: dict[str, Record]) -> list[tuple[object, ...]]:
    """What core must hold of them."""
    keys = sorted(students, key=lambda key: key.encode())
    return [(key, students[key]["given_name"], students[key]["email"], students[key]["enabled"]) for key in keys]


COLUMNS = ("external_id", "given_name", "email", "enabled")


def test_first_sync_creates_second_changes_nothing(toy: Toy, make: Records) -> None:
    """The first sync creates every record, the second finds every one unchanged and writes nothing."""
    toy.sends["students"] = [[make.student(1), make.student(2)], [make.student(3)]]
    first = toy.sync("students")["students"]
    assert first.verified
    assert (first.plan.counts.fetched, first.plan.counts.created) == (3, 3)
    second = toy.sync("students")["students"]
    assert second.verified
    assert (second.plan.counts.unchanged, second.plan.chunks) == (3, 0)
    assert toy.core("students", "external_id", "given_name", "sync_version", "sync_status") == [
        ("s1", "Given1", 1, "synced"),
        ("s2", "Given2", 1, "synced"),
        ("s3", "Given3", 1, "synced"),
    ]


def test_rows_are_written_in_batches_of_the_size_asked_for(toy: Toy, make: Records) -> None:
    """1,001 rows in batches of 100 are eleven transactions, and not one more (E80)."""
    toy.chunk_rows = 100
    toy.sends["students"] = [[make.student(number) for number in range(1_001)]]
    outcome = toy.sync("students")["students"]
    assert (outcome.verified, outcome.plan.chunks) == (True, 11)
    batches = toy.rows("SELECT count(*) FROM core.students GROUP BY xmin::text ORDER BY 1 DESC")
    assert batches == [(100,)] * 10 + [(1,)]


def test_entities_go_in_the_order_of_their_dependencies(toy: Toy, make: Records) -> None:
    """One sync of everything places children beneath parents that came in the same sync."""
    toy.entities = ("enrollments", "sections", "students", "organizations")
    toy.sends = {
        "organizations": [[make.organization(1)]],
        "students": [[make.student(1, organization="o1")]],
        "sections": [[make.section(1, organization="o1")]],
        "enrollments": [[make.enrollment(1, "s1", "c1", start_date="2026-09-01")]],
    }
    done = toy.sync()
    assert list(done) == ["organizations", "sections", "students", "enrollments"]
    assert all(outcome.verified and outcome.plan.state is PlanState.APPLIED for outcome in done.values())
    assert toy.rows(
        "SELECT s.given_name, c.title, e.start_date::text, o.name FROM core.enrollments e"
        " JOIN core.students s ON s.id = e.student_id JOIN core.sections c ON c.id = e.section_id"
        " JOIN core.organizations o ON o.id = s.organization_id"
    ) == [("Given1", "Class 1", "2026-09-01", "School 1")]


@examples
@given(STUDENTS, STUDENTS)
def test_core_becomes_what_the_source_sends(toy: Toy, before: dict[str, Record], after: dict[str, Record]) -> None:
    """Planning then applying makes core equal to the source, whatever stood there before; twice changes nothing."""
    toy.reset()
    toy.sends["students"] = [sent(before)]
    toy.sync("students")
    assert toy.core("students", *COLUMNS) == expected(before)
    toy.sends["students"] = [sent(after)]
    outcome = toy.sync("students")["students"]
    if before and not after:
        assert outcome.plan.state is PlanState.HELD
        return
    assert outcome.verified
    assert toy.core("students", *COLUMNS) == expected(before | after)
    again = toy.sync("students")["students"].plan
    assert (again.chunks, again.counts.unchanged) == (0, len(after))


@examples
@given(st.data(), STUDENTS)
def test_order_of_arrival_does_not_matter(toy: Toy, data: st.DataObject, students: dict[str, Record]) -> None:
    """However the same records are ordered and cut into pages and chunks, core is the same."""
    toy.reset()
    toy.chunk_rows = data.draw(st.integers(1, 4))
    shuffled = data.draw(st.permutations(sent(students)))
    cut = data.draw(st.integers(0, len(shuffled)))
    toy.sends["students"] = [shuffled[:cut], shuffled[cut:]]
    assert toy.sync("students")["students"].verified
    assert toy.core("students", *COLUMNS) == expected(students)


@examples
@given(st.lists(st.sampled_from(["one", "two"]), min_size=1, max_size=4), STUDENTS, STUDENTS)
def test_sources_do_not_disturb_each_other(
    toy: Toy, turns: list[str], first: dict[str, Record], second: dict[str, Record]
) -> None:
    """Two sources with the same external ids have their own rows in core, in whatever order they sync."""
    toy.reset()
    ones, twos = toy.twin("one"), toy.twin("two")
    ones.sends["students"], twos.sends["students"] = [sent(first)], [sent(second)]
    for turn in turns:
        (ones if turn == "one" else twos).sync("students")
    assert ones.core("students", *COLUMNS) == (expected(first) if "one" in turns else [])
    assert twos.core("students", *COLUMNS) == (expected(second) if "two" in turns else [])


@examples
@given(st.lists(st.tuples(STUDENTS, st.none() | NAMES), min_size=1, max_size=3))
def test_internal_columns_survive_any_sync(toy: Toy, rounds: list[tuple[dict[str, Record], str | None]]) -> None:
    """Notes and creation times that stand in core are bit-identical after any sync."""
    toy.reset()
    for students, note in rounds:
        toy.sends["students"] = [sent(students)]
        toy.sync("students")
        toy.rows("UPDATE core.students SET notes = %s, created_at = '2001-02-03' RETURNING id", note)
        before = toy.core("students", "id", "notes", "created_at")
        toy.sends["students"] = [[record | {"family_name": "Changed"} for record in sent(students)]]
        toy.sync("students")
        assert toy.core("students", "id", "notes", "created_at") == before


@pytest.mark.parametrize("chunk_rows", [1, 2, 20_000])
def test_accounting_identity_holds(toy: Toy, make: Records, chunk_rows: int) -> None:
    """Every fetched row is in exactly one count: here one or more in each."""
    toy.chunk_rows = chunk_rows
    toy.sends["students"] = [[make.student(1), make.student(2), make.student(3, status="before")]]
    toy.sync("students")
    toy.sends["students"] = [
        [make.student(1), make.student(2, phone="1"), make.student(4), make.student(4), make.student(5, id="")],
        [make.student(6, deleted=True), make.student(7, organization="o9"), make.student(8, given_name=None)],
    ]
    outcome = toy.sync("students")["students"]
    counts = outcome.plan.counts
    assert outcome.verified
    assert (counts.fetched, counts.created, counts.updated, counts.unchanged) == (8, 1, 1, 1)
    assert (counts.skipped, counts.dead_lettered, counts.waiting, counts.absent) == (2, 3, 1, 1)


def test_reading_ahead_shares_what_the_run_shares(toy: Toy, make: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that is opened while another entity is applied meets the same limits and kept tokens as its caller."""
    seen = []

    def opened(source: Source) -> AbstractContextManager[Any]:
        seen.append(surroundings.current())
        return surroundings.opened(source)

    monkeypatch.setattr("connector_pipelines.sync.pull.opened", opened)
    toy.sends["students"] = [[make.student(1)]]
    with surroundings.share(toy.url), toy.open() as context:
        shared = surroundings.current()
        list(sync(replace(context, url=toy.url), toy.source, entities=["students"]))
    assert shared is not None
    assert seen == [shared]


def everything(toy: Toy, make: Records) -> None:
    """One record of each entity, each with its parents; more connections are allowed."""
    toy.beside = True
    toy.sends = {
        "organizations": [[make.organization(1)]],
        "students": [[make.student(1, organization="o1")]],
        "sections": [[make.section(1, organization="o1")]],
        "enrollments": [[make.enrollment(1, "s1", "c1")]],
    }


def test_what_is_before_a_failed_entity_is_done(toy: Toy, make: Records) -> None:
    """Where a read fails while the entities before it are being applied, they are applied to their end and told of."""
    everything(toy, make)
    toy.sends["students"] = [NetworkError("gone", remedy="wait")]
    told: list[str] = []

    def run() -> None:
        with toy.open() as context:
            told.extend(outcome.entity for outcome in sync(context, toy.source) if outcome.verified)

    with pytest.raises(NetworkError, match="gone"):
        run()
    assert told == ["organizations", "sections"]
    assert toy.core("sections", "external_id") == [("c1",)]


def test_nothing_is_applied_after_what_could_not_be(toy: Toy, make: Records) -> None:
    """Where parents cannot be applied, children that were planned meanwhile stay so; the next sync applies both."""
    everything(toy, make)
    with connect(toy.url) as other, hold(other, "core/sections"), pytest.raises(AnotherRunIsActive):
        toy.sync()
    assert (toy.core("organizations", "external_id"), toy.core("students", "external_id")) == ([("o1",)], [])
    assert all(outcome.verified for outcome in toy.sync().values())
    assert toy.core("enrollments", "external_id") == [("e1",)]
