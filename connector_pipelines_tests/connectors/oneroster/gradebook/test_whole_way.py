"""Assessments, grades and outcomes of core in the gradebook of the system that its rosters came from."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import pytest

from connector_pipelines.connectors.oneroster.simulator.service import Service
from connector_pipelines.errors import ConfigurationError, NetworkError
from connector_pipelines.model import Counts, PlanState

if TYPE_CHECKING:
    from collections.abc import Callable

EVERYTHING = {
    "categories": 3,
    "line_items": 2,
    "results": 5,
    "outcome_items": 1,
    "outcome_results": 4,
}
"""How many records of each export stand there when all is written."""


def test_gradebook_holds_what_core_has(books: Any) -> None:
    """Finalized assessments are line items of their class, grades results with points, letter and day (G51, G52)."""
    books.sync()
    done = books.push()
    assert {entity: one.plan.counts.created for entity, one in done.items()} == EVERYTHING
    assert all(one.verified for one in done.values())
    student = books.number_of("students", 810)
    essay = books.result(1)
    assert (essay["student"]["sourcedId"], essay["lineItem"]["sourcedId"]) == (student, "core-assessments-17")
    assert (essay["score"], essay["textScore"], essay["scoreDate"]) == (18.5, "A", "2026-09-11")
    assert [books.result(n)["textScore"] for n in (1, 2, 3, 4)] == ["A", "B", "C", "D"]
    assert "score" not in books.result(4)
    item = books.simulator.service.store.get("lineItems", "core-assessments-17")
    assert (item["title"], item["resultValueMax"], item["status"]) == ("Essay", 20.0, "active")
    assert item["learningObjectiveSet"] == [{"source": "unknown", "learningObjectiveIds": ["MATH.1"]}]
    category = books.simulator.service.store.get("categories", item["category"]["sourcedId"])
    assert category["title"] == "Homework"
    assert books.letters() == []


def test_outcomes_are_line_items_with_a_result_for_each_student(books: Any) -> None:
    """An outcome is a line item of its class, and what somebody showed last is its result, in percent (G96)."""
    books.push()
    (item,) = [one for one in books.simulator.expected("lineItems") if one["title"] == "Outcome MATH.1"]
    category = books.simulator.service.store.get("categories", item["category"]["sourcedId"])
    shown = [one for one in books.simulator.expected("results") if one["lineItem"]["sourcedId"] == item["sourcedId"]]
    assert category["title"] == "Learning outcome"
    assert sorted((one["textScore"], one.get("score")) for one in shown if one.get("score")) == [
        ("B", 60.0),
        ("B", 70.0),
        ("C", 45.0),
    ]


def test_second_push_writes_nothing_and_asks_nothing(books: Any) -> None:
    """Without changes in core no call is made; a comparison reads, and writes nothing."""
    books.push()
    asked, written = len(books.simulator.requests), len(books.simulator.ledger)
    again = books.push()
    assert len(books.simulator.requests) == asked
    assert again["results"].plan.counts == Counts(fetched=6, unchanged=5, skipped=1)
    books.push(compare=True)
    assert len(books.simulator.ledger) == written


def test_change_replaces_the_record_and_keeps_what_is_not_ours(books: Any) -> None:
    """A better grade replaces its result alone; a comment that somebody wrote there stays."""
    books.push()
    there = books.result(2)
    books.simulator.put("results", there | {"comment": "See me"})
    books.execute("UPDATE core.grades SET score = 17, achievement = 'Exceeded', updated_at = now() WHERE id = 2")
    before = len(books.simulator.ledger)
    done = books.push("results")["results"]
    assert (done.plan.counts.updated, len(books.simulator.ledger) - before) == (1, 1)
    now = books.result(2)
    assert (now["score"], now["textScore"], now["comment"]) == (17.0, "A", "See me")


def test_inactive_grades_are_marked_as_deleted_and_come_back(books: Any) -> None:
    """A grade that is withdrawn in core is `tobedeleted` there, never gone, and active again when core says so."""
    books.push()
    books.execute("UPDATE core.grades SET status = 'inactive' WHERE id = 1")
    assert books.push("results")["results"].plan.counts.dropped == 1
    assert books.result(1)["status"] == "tobedeleted"
    books.execute("UPDATE core.grades SET status = 'active' WHERE id = 1")
    assert books.push("results")["results"].verified
    assert (books.result(1)["status"], books.result(1)["score"]) == ("active", 18.5)
    assert "DELETE" not in {write.method for write in books.simulator.ledger}


def test_drift_is_found_and_sent_again(books: Any) -> None:
    """A comparison notices a grade that somebody changed or removed there, and only that is sent again."""
    books.push()
    books.simulator.put("results", books.result(1) | {"score": 1.0})
    books.simulator.remove("results", "core-grades-2")
    before = len(books.simulator.ledger)
    assert books.push("results", compare=True)["results"].verified
    assert (books.result(1)["score"], books.result(2)["score"]) == (18.5, 14.0)
    assert len(books.simulator.ledger) - before == 2


@pytest.mark.parametrize(
    ("gradebook", "results"),
    [
        ({"finalized": True}, {1, 2, 3, 4, 5}),
        ({"finalized": False}, {1, 2, 3, 4, 5, 6}),
        ({"since": "2026-09-12"}, {3, 4, 5}),
        ({"until": "2026-09-11"}, {1, 2}),
        ({"finalized": False, "since": "2026-09-21", "until": "2026-09-30"}, {5, 6}),
        ({"since": "2026-09-22"}, set()),
    ],
)
def test_finalized_or_in_a_range_of_days(books: Any, gradebook: dict[str, Any], results: set[int]) -> None:
    """Only what is finalized, or was graded in a range of days, is written; the rest waits for nothing (G49)."""
    books.gradebook = gradebook
    books.push("categories", "line_items", "results")
    there = {one["sourcedId"] for one in books.simulator.expected("results")}
    assert {number for number in range(1, 7) if f"core-grades-{number}" in there} == results
    assert books.letters() == []


def test_strangers_are_skipped_with_the_reason(books: Any) -> None:
    """Classes and students that this system did not feed are skipped, counted by reason, and never invented (G50)."""
    books.execute(
        "INSERT INTO core.students (id, given_name, family_name, status) OVERRIDING SYSTEM VALUE"
        " VALUES (9001, 'New', 'Here', 'active');"
        "INSERT INTO core.sections (id, title, status) OVERRIDING SYSTEM VALUE VALUES (9001, 'Elsewhere', 'active');"
        "INSERT INTO core.assessments (id, title, is_finalized, status, section_id) OVERRIDING SYSTEM VALUE"
        " VALUES (9001, 'Foreign', true, 'active', 9001);"
        "INSERT INTO core.grades (id, grade_type, score, graded_at, status, student_id, assessment_id)"
        " OVERRIDING SYSTEM VALUE VALUES (90, 'assignment_grade', 5, now(), 'active', 9001, 17),"
        " (91, 'assignment_grade', 5, now(), 'active', 9001, 9001)"
    )
    done = books.push()
    assert done["line_items"].plan.counts.skipped == 2
    assert done["results"].plan.counts == Counts(fetched=8, created=5, skipped=3)
    ((why,),) = books.rows(
        "SELECT skipped FROM connector.sync_runs WHERE entity = 'export/results' ORDER BY id DESC LIMIT 1"
    )
    assert why == {"its class or its student is none of this system": 2, "is not finalized": 1}
    assert books.letters() == []


def test_outcome_without_a_letter_is_a_dead_letter(books: Any) -> None:
    """An outcome that nobody gave a letter is refused by itself and names its assessment; its neighbors go on (G55)."""
    books.execute("UPDATE core.grades SET achievement = 'Splendid' WHERE id = 2")
    done = books.push("categories", "line_items", "results")["results"]
    assert (done.plan.counts.created, done.plan.counts.dead_lettered) == (4, 1)
    assert books.letters() == [("export/results", "grades/2", "MAPPING_ERROR: unknown outcome")]
    ((why,),) = books.rows("SELECT reason FROM connector.dead_letters")
    assert "core-assessments-17" in why
    books.gradebook = {"letters": {"Exceeded": "A", "Met": "B", "Partially Met": "C", "Not Met": "D", "Splendid": "S"}}
    books.push("results")
    assert (books.letters(), books.result(2)["textScore"]) == ([], "S")


def test_refused_result_names_its_assessment_and_is_retried(books: Any) -> None:
    """What the gradebook refuses is a dead letter with the assessment's id; it is sent again when a person says so."""
    books.push("categories", "line_items")
    number = books.number_of("students", 812)
    removed = books.simulator.service.store.get("users", number)
    books.simulator.remove("users", number)
    done = books.push("results")["results"]
    assert (done.plan.counts.created, done.plan.counts.dead_lettered) == (4, 1)
    ((entity, key, why),) = books.rows("SELECT entity, external_id, reason FROM connector.dead_letters")
    assert (entity, key) == ("export/results", "grades/3")
    assert "core-assessments-17" in why
    books.simulator.put("users", removed)
    before = len(books.simulator.ledger)
    books.push("results")
    assert len(books.simulator.ledger) == before
    assert books.retry() == 1
    assert (books.letters(), books.result(3)["score"]) == ([], 9.0)


def test_dry_run_writes_nowhere_and_can_be_approved(books: Any) -> None:
    """A dry run plans; its plan is sent when a person approves it, and another hash is refused."""
    planned = books.push("categories", dry_run=True)["categories"].plan
    assert (planned.state, planned.counts.created, books.simulator.ledger) == (PlanState.PLANNED, 3, [])
    with pytest.raises(ConfigurationError):
        books.approve("0" * 64)
    books.approve(planned.hash)
    assert len(books.simulator.ledger) == 3


def test_guard_holds_a_mass_withdrawal(books: Any) -> None:
    """When all grades are withdrawn at once, nothing is sent until a person releases the plan."""
    books.policy = {"guard": {"limits": {"floor": 1}}}
    books.push()
    before = len(books.simulator.ledger)
    books.execute("UPDATE core.grades SET status = 'inactive'")
    held = books.push("results")["results"].plan
    assert (held.state, len(books.simulator.ledger)) == (PlanState.HELD, before)
    books.approve(held.hash)
    assert {books.result(n)["status"] for n in range(1, 6)} == {"tobedeleted"}


@pytest.mark.parametrize("entity", ["results", "line_items"])
@pytest.mark.parametrize("done", [False, True])
def test_killed_export_writes_each_once(
    books: Any, monkeypatch: pytest.MonkeyPatch, entity: str, *, done: bool
) -> None:
    """A process killed before or after a write took effect leaves nothing that is written twice or not at all (G54)."""
    put: Callable[..., Any] = Service._put
    collection, times = {"results": "results", "line_items": "lineItems"}[entity], list[str]()

    def struck(service: Service, call: Any, target: Any, *rest: Any) -> Any:
        if target.names != (collection,) or len(times) == 2:  # the second of its kind dies, once
            return put(service, call, target, *rest)
        times.append(call.path)
        if len(times) < 2:
            return put(service, call, target, *rest)
        answer = put(service, call, target, *rest) if done else None
        books.kill()
        if answer is None:
            message = "nobody is there to be answered"
            raise ConnectionAbortedError(message)
        return answer

    monkeypatch.setattr(Service, "_put", struck)
    assert books.in_a_child(books.push) == signal.SIGKILL
    again = books.push()
    assert all(one.verified for one in again.values())
    assert set(books.effects().values()) == {1}
    assert sum(books.effects().values()) == sum(EVERYTHING.values())


def test_lost_answer_is_asked_after(books: Any) -> None:
    """When the answer to a write is lost the push stops; the next one looks, and writes nothing twice."""
    books.push("categories", "line_items")
    books.simulator.set_faults(["reset@3:results"])
    with pytest.raises(NetworkError):
        books.push("results")
    books.simulator.set_faults([])
    assert books.push("results")["results"].verified
    assert set(books.effects().values()) == {1}


def test_program_outcomes_have_no_place(books: Any) -> None:
    """An export of aggregated outcomes is refused with the reason, not left out in silence."""
    with pytest.raises(ConfigurationError, match="they are of no student"):
        books.push("program_outcomes")


def test_older_version_takes_points_alone(books: Any) -> None:
    """OneRoster 1.1 knows neither letters nor schools: points and days are told, a grade without points is not."""
    books.more = {"version": "1.1", "auth": {"type": "oauth1", "key": "env:SIS_ID", "secret": "env:SIS_SECRET"}}
    books.push("categories", "line_items", "results")
    assert (books.result(1)["score"], "textScore" in books.result(1)) == (18.5, False)
    assert books.letters() == [("export/results", "grades/4", "score is required")]


def test_inactive_assessments_take_their_results_with_them(books: Any) -> None:
    """An assessment that core withdraws is `tobedeleted` with all its results and its outcomes; nothing waits."""
    books.policy = {"drops": ["export/outcome_results", "export/outcome_items"]}
    books.push()
    books.execute("UPDATE core.assessments SET status = 'inactive' WHERE id = 17")
    books.push()
    gone = {one["sourcedId"] for one in books.simulator.expected("results") if one["status"] == "tobedeleted"}
    assert gone >= {f"core-grades-{number}" for number in range(1, 5)}
    assert books.simulator.service.store.get("lineItems", "core-assessments-17")["status"] == "tobedeleted"
    shown = [one for one in books.simulator.expected("results") if one["lineItem"]["sourcedId"].startswith("core-outc")]
    assert sorted(one["status"] for one in shown) == ["active", "tobedeleted", "tobedeleted", "tobedeleted"]
    assert books.letters() == []


@pytest.mark.parametrize(
    ("theirs", "score", "told"),
    [
        ("2025-01-01T00:00:00.000Z", 12.5, []),
        ("2025-02-01T00:00:00Z", 1.0, []),
        ("2025-03-01T00:00:00.000Z", 1.0, []),
        (None, 1.0, [("export/results", "grades/1", "contested")]),
    ],
)
def test_the_later_of_two_results_stands(books: Any, theirs: str | None, score: float, told: list[Any]) -> None:
    """With the rule last_write_wins the later of two changes stands, by `dateLastModified`; equal times: the system's;
    without a time a person is told, and nothing is written.
    """
    books.policy = {"conflicts": {"export/results": {"score": "last_write_wins"}}}
    books.push("categories", "line_items", "results")
    books.simulator.put("results", books.result(1) | {"score": 1.0, "dateLastModified": theirs})
    books.execute(
        "UPDATE core.grades SET score = 12.5, graded_at = NULL WHERE id = 1;"
        "UPDATE connector.core_edits SET edited_at = '2025-02-01T00:00:00Z'"
    )
    for _ in range(2):
        books.push("results", compare=True)
        assert (books.result(1)["score"], books.letters()) == (score, told)


def test_nothing_is_written_unless_it_is_named(books: Any) -> None:
    """Results go to a student information system only where the policy says so (G94)."""
    books.policy = {"exports": []}
    assert (books.push(), books.simulator.ledger) == ({}, [])
