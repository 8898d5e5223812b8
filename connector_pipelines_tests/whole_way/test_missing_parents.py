"""What becomes of an enrollment whose student core lacks: it waits, is skipped, or the student is read (G43)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from connector_pipelines.database.connection import connect
from connector_pipelines.database.migrate import migrate
from connector_pipelines.model import Mode, PlanState
from connector_pipelines.policy import SyncPolicy
from connector_pipelines.sync.context import Context
from connector_pipelines.sync.overview import freshness
from connector_pipelines.sync.replaying import rebuild, stored_reads

if TYPE_CHECKING:
    from connector_pipelines.connectors.oneroster.simulator import Simulator
    from connector_pipelines.model import Source

BEFORE = ("organizations", "terms", "courses", "sections", "students", "enrollments")
NEW = ("new-1", "new-2")


@pytest.fixture
def late(place: Any, simulator: Simulator) -> Source:
    """A synced district, after which two students came, with an enrollment each; one more names nobody at all."""
    source: Source = place.source(simulator)
    place.sync(source, *BEFORE)
    user = next(one for one in simulator.expected("users") if one["roles"][0]["role"] == "student")
    enrolled = next(one for one in simulator.expected("enrollments") if one["role"] == "student")
    for name in NEW:
        own = {"sourcedId": name, "identifier": name, "email": f"{name}@x", "username": name, "givenName": "Late"}
        simulator.put("users", user | own)
    for name in (*NEW, "nobody"):
        student = enrolled["user"] | {"sourcedId": name}
        simulator.put("enrollments", enrolled | {"sourcedId": f"enrolled-{name}", "user": student})
    simulator.requests.clear()
    return source


def policy(source: Source, **said: Any) -> Source:
    """The source with this policy."""
    return replace(source, policy=SyncPolicy.model_validate(said))


def enrolled(place: Any) -> list[tuple[Any, ...]]:
    """Who of the new ones is in core, and with what enrollment."""
    rows: list[tuple[Any, ...]] = place.rows(
        "SELECT s.external_id, e.external_id FROM core.synced_students s"
        " LEFT JOIN core.synced_enrollments e ON e.student_id = s.id WHERE s.given_name = 'Late' ORDER BY 1"
    )
    return rows


def asked_for_students(simulator: Simulator) -> list[str]:
    """The filters of all requests for students."""
    return [one.query.get("filter", "") for one in simulator.requests if one.path.endswith("/students")]


def test_they_wait_by_default(place: Any, simulator: Simulator, late: Source) -> None:
    """Without a policy such enrollments wait as dead letters, and nobody is asked for."""
    counts = place.sync(late, "enrollments")["enrollments"].plan.counts
    assert (counts.waiting, counts.skipped, counts.created) == (3, 0, 0)
    assert asked_for_students(simulator) == []


def test_skip_leaves_them_out(place: Any, late: Source) -> None:
    """With `skip` they are counted and named with what they lack, are no dead letters, and come with the next full read
    after their students.
    """
    skipping = policy(late, missing_parents={"enrollments": "skip"})
    done = place.sync(skipping, "enrollments")["enrollments"]
    assert (done.verified, done.plan.counts.skipped, done.plan.counts.dead_lettered) == (True, 3, 0)
    named = ", ".join(f"enrolled-{name} (students {name})" for name in (*NEW, "nobody"))
    assert done.plan.reasons == (f"skipped: 3 whose parents core does not have: {named}",)
    assert place.letters() == place.letters("waiting") == []
    done = place.sync(skipping, "students", "enrollments")["enrollments"]
    assert (done.plan.counts.created, done.plan.counts.skipped) == (2, 1)
    assert enrolled(place) == [(name, f"enrolled-{name}") for name in NEW]


def test_import_creates_and_then_enrolls(place: Any, simulator: Simulator, late: Source) -> None:
    """With `import` each unknown student is asked for by id, created and enrolled in the same sync; one that the source
    does not have is not made up: the enrollment waits. No cursor moves, and nobody counts as absent.
    """
    with connect(place.url) as connection:
        read_at = [one.read_at for one in freshness(connection, "district") if one.entity == "students"]
    cursors = place.rows("SELECT entity, cursor FROM connector.sync_cursors WHERE entity = 'students'")
    importing = policy(late, missing_parents={"enrollments": "import"})
    done = place.sync(importing, "enrollments")["enrollments"]
    assert (done.verified, done.plan.counts.created, done.plan.counts.waiting) == (True, 2, 1)
    assert enrolled(place) == [(name, f"enrolled-{name}") for name in NEW]
    assert asked_for_students(simulator) == [f"sourcedId='{name}'" for name in (*NEW, "nobody")]
    assert place.rows("SELECT entity, cursor FROM connector.sync_cursors WHERE entity = 'students'") == cursors
    with connect(place.url) as connection:
        assert [one.read_at for one in freshness(connection, "district") if one.entity == "students"] == read_at
    assert place.rows("SELECT count(*) FROM connector.external_system_mappings WHERE absent_since IS NOT NULL") == [
        (0,)
    ]
    receipts = "SELECT entity, verified FROM connector.sync_receipts ORDER BY plan_id DESC LIMIT 2"
    assert place.rows(receipts) == [("enrollments", True), ("students", True)]
    again = place.sync(importing, "enrollments", mode=Mode.FULL)["enrollments"].plan.counts
    assert (again.created, again.waiting) == (0, 1)


def test_an_import_is_rebuilt_from_its_pages(
    place: Any, simulator: Simulator, late: Source, empty_database: str
) -> None:
    """What was asked for by id is landed like all else: an empty database takes the same plans from the pages alone."""
    importing = policy(late, missing_parents={"enrollments": "import"})
    place.sync(importing, "enrollments")
    simulator.requests.clear()
    migrate(empty_database)
    with connect(place.url) as old, connect(empty_database) as new:
        stored = stored_reads(old, "district")
        done = list(rebuild(Context(new, place.landing), importing, stored))
    assert [one.stored.read.window.ids for one in done][-2:] == [(*NEW, "nobody"), ()]
    assert all(one.same for one in done)
    assert simulator.requests == []
    assert enrolled(replace(place, url=empty_database)) == enrolled(place) != []


def test_what_the_guard_holds_is_not_enrolled(place: Any, late: Source) -> None:
    """An import is a plan like any other: held, its students are not in core, and the enrollments wait."""
    held = policy(
        late,
        missing_parents={"enrollments": "import"},
        guard={"entities": {"students": {"created": 0, "floor": 1}}},
    )
    done = place.sync(held, "enrollments")["enrollments"]
    assert (done.verified, done.plan.counts.waiting, enrolled(place)) == (True, 3, [])
    states = "SELECT state FROM connector.sync_plans WHERE entity = 'students' ORDER BY id DESC LIMIT 1"
    assert place.rows(states) == [(PlanState.HELD,)]


def test_what_is_held_as_a_whole_does_not_come_one_by_one(place: Any, simulator: Simulator, late: Source) -> None:
    """While a plan of the students waits for a person, no student is asked for by id; the enrollments wait."""
    guard = {"entities": {"students": {"created": 0, "floor": 1}}}
    place.sync(policy(late, guard=guard), "students")
    simulator.requests.clear()
    done = place.sync(policy(late, missing_parents={"enrollments": "import"}), "enrollments")["enrollments"]
    assert (done.verified, done.plan.counts.waiting) == (True, 3)
    assert asked_for_students(simulator) == []


def test_a_source_that_does_not_answer_for_one_lets_them_wait(place: Any, simulator: Simulator, late: Source) -> None:
    """A lookup that fails is written down with its run; the enrollments wait, and all others are synced."""
    simulator.set_faults(["html-200:students"])
    done = place.sync(policy(late, missing_parents={"enrollments": "import"}), "enrollments")["enrollments"]
    assert (done.verified, done.plan.counts.waiting) == (True, 3)
    failed = "SELECT entity, ids, state FROM connector.sync_runs WHERE state = 'failed'"
    assert place.rows(failed) == [("students", [*NEW, "nobody"], "failed")]


def test_without_auto_create_unknown_students_are_skipped(place: Any, late: Source) -> None:
    """A source that may create no students skips those core does not have, with the reason, and their enrollments;
    those it knows go on (G19).
    """
    knowing = policy(late, auto_create={"students": False}, missing_parents={"enrollments": "import"})
    done = place.sync(knowing, "students", "enrollments")
    students, enrollments = done["students"].plan, done["enrollments"].plan
    assert (students.counts.created, students.counts.skipped, students.counts.unchanged > 100) == (0, 2, True)
    assert students.reasons == ("skipped: 2 not in core, and auto_create of students is off: new-1, new-2",)
    assert (enrollments.counts.skipped, enrollments.counts.waiting, enrolled(place)) == (3, 0, [])
