from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from connector_pipelines.errors import ConfigurationError, MappingFailed
from connector_pipelines.policy import Rule, SyncPolicy, Take
from connector_pipelines.sync.conflicts import Decision, Outcome, count_open, open_conflicts, resolve

if TYPE_CHECKING:
    from connector_pipelines_tests.sync.conftest import Records, Row, Toy


@pytest.fixture
def torn(toy: Toy, make: Records) -> Toy:
    """A toy whose first student has two conflicts, 1-1 about the e-mail and 2-1 about the phone."""
    toy.policy = SyncPolicy(conflicts={"students": {"*": Rule.MANUAL}})
    toy.sends["students"] = [[make.student(1, phone="1", email="a@toy"), make.student(2, phone="1")]]
    toy.sync("students")
    toy.execute("UPDATE core.students SET phone = 'ours', email = 'ours@toy' WHERE id = 1")
    toy.sends["students"] = [[make.student(1, phone="theirs", email="theirs@toy"), make.student(2, phone="1")]]
    toy.sync("students")
    assert [(one.label, one.field) for one in listed(toy)] == [("1-1", "email"), ("2-1", "phone")]
    return toy


def listed(toy: Toy) -> Any:
    """The open conflicts."""
    with toy.open() as context:
        return open_conflicts(context.connection)


def decided(toy: Toy, *decisions: tuple[str, Take] | tuple[str, Take, str | None]) -> Outcome:
    """Ann decides."""
    with toy.open() as context:
        made = [Decision(label, take, "because", *value) for label, take, *value in decisions]
        return resolve(context, made, who="ann")


def person(toy: Toy) -> Row:
    """Phone and e-mail of the first student."""
    return toy.core("students", "phone", "email")[0]


def test_open_conflicts_are_listed(torn: Toy) -> None:
    """A listing has both values, and can be narrowed to a source and an entity."""
    first, _ = listed(torn)
    assert (first.external_id, first.core_value, first.source_value) == ("s1", "ours@toy", "theirs@toy")
    with torn.open() as context:
        assert len(open_conflicts(context.connection, "toy", "students", limit=1)) == 1
        assert open_conflicts(context.connection, "other") == []
        assert open_conflicts(context.connection, entity="terms") == []
        assert count_open(context.connection, "toy", "students") == 2


def test_decisions_are_applied_with_a_receipt(torn: Toy) -> None:
    """Core's value stays, the source's is written; one verified receipt, field by field in the changes, and audited."""
    outcome = decided(torn, ("1-1", Take.CORE), ("2-1", Take.SOURCE))
    (receipt,) = outcome.receipts
    assert (outcome.resolved, outcome.refused, receipt.verified, receipt.counts.updated) == (2, (), True, 1)
    assert person(torn) == ("theirs", "ours@toy")
    assert listed(torn) == []
    changes = "SELECT changes FROM connector.sync_changes WHERE plan_id = %s"
    assert torn.rows(changes, receipt.plan_id) == [({"phone": ["ours", "theirs"]},)]
    columns = "decision, decided_by, why, settled_by"
    assert torn.rows(f"SELECT {columns} FROM connector.conflicts ORDER BY id") == [
        ("core", "ann", "because", None),
        ("source", "ann", "because", receipt.plan_id),
    ]
    audited = (
        "SELECT who, detail ->> 'field', detail ->> 'take', detail ->> 'why' FROM connector.integration_audit_logs"
    )
    assert torn.rows(audited) == [("ann", "email", "core", "because"), ("ann", "phone", "source", "because")]


def test_the_run_of_a_decision_moves_no_cursor(torn: Toy) -> None:
    """A resolution is a run of its own kind, which is not complete."""
    before = torn.rows("SELECT * FROM connector.sync_cursors")
    decided(torn, ("2-1", Take.SOURCE))
    last = "SELECT kind, complete, snapshot, launched_by FROM connector.sync_runs ORDER BY id DESC LIMIT 1"
    assert torn.rows(last) == [("resolution", False, False, "ann")]
    assert torn.rows("SELECT * FROM connector.sync_cursors") == before


@pytest.mark.parametrize("take", list(Take))
def test_a_decision_holds_until_the_source_says_something_new(torn: Toy, make: Records, take: Take) -> None:
    """What was decided stands until the source says something else; then it is a conflict, unless it was taken."""
    chosen = {Take.CORE: "ours", Take.SOURCE: "theirs", Take.VALUE: "third"}[take]
    decided(torn, ("2-1", take, "third"), ("1-1", Take.CORE))
    for _ in range(2):
        counts = torn.sync("students")["students"].plan.counts
        assert (counts.conflicts, counts.updated, counts.unchanged) == (0, 0, 2)
        assert person(torn) == (chosen, "ours@toy")
    torn.sends["students"] = [[make.student(1, phone="new", email="theirs@toy"), make.student(2, phone="1")]]
    counts = torn.sync("students")["students"].plan.counts
    assert counts.conflicts == (0 if take is Take.SOURCE else 1)
    assert person(torn) == ("new" if take is Take.SOURCE else chosen, "ours@toy")


def test_an_edit_after_a_decision_is_a_conflict_again(torn: Toy) -> None:
    """A decision covers what was there when it was made: who edits core later is asked again."""
    decided(torn, ("1-1", Take.CORE), ("2-1", Take.CORE))
    torn.execute("UPDATE core.students SET phone = 'ours again' WHERE id = 1")
    assert torn.sync("students")["students"].plan.counts.conflicts == 1
    assert [(one.field, one.core_value) for one in listed(torn)] == [("phone", "ours again")]


def test_decision_on_what_moved_is_refused(torn: Toy) -> None:
    """A conflict that is settled, that has other values by now, or whose row was edited is left, with the reason."""
    torn.execute("UPDATE core.students SET email = 'again@toy' WHERE id = 1")
    refused = decided(torn, ("1-1", Take.SOURCE), ("2-1", Take.CORE), ("9-1", Take.CORE))
    assert refused.resolved == 1
    assert dict(refused.refused) == {
        "1-1": "core changed since it was listed, or the row is gone; the next sync looks at it again",
        "9-1": "there is no such conflict",
    }
    torn.sync("students")
    assert dict(decided(torn, ("1-1", Take.SOURCE), ("2-1", Take.SOURCE)).refused) == {
        "1-1": "core or the source changed since it was listed; look at it again",
        "2-1": "it is settled already",
    }
    assert person(torn) == ("ours", "again@toy")
    assert decided(torn, ("1-2", Take.SOURCE)).refused == ()
    assert person(torn) == ("ours", "theirs@toy")


@pytest.mark.parametrize(("field", "ours", "value"), [("given_name", "Ours", None), ("enabled", "true", "perhaps")])
def test_value_that_core_does_not_take(torn: Toy, field: str, ours: str, value: str | None) -> None:
    """A value that the column refuses undoes all decisions of the table, and says what to do."""
    torn.execute(f"UPDATE core.students SET {field} = '{ours}' WHERE id = 1")
    torn.sync("students")
    (label,) = [one.label for one in listed(torn) if one.field == field]
    with pytest.raises((ConfigurationError, MappingFailed), match="nothing was decided") as caught:
        decided(torn, ("2-1", Take.SOURCE), (label, Take.VALUE, value))
    assert caught.value.remedy
    assert (caught.value.source, caught.value.entity) == ("toy", "students")
    assert person(torn) == ("ours", "ours@toy")
    assert len(listed(torn)) == 3
    assert torn.rows("SELECT 1 FROM connector.sync_runs WHERE kind = 'resolution'") == []
    assert torn.letters("id") == []


@pytest.mark.parametrize(("labels", "problem"), [(["1-1", "1-1"], "is decided twice"), (["one"], "names no conflict")])
def test_decisions_that_cannot_be_meant(torn: Toy, labels: list[str], problem: str) -> None:
    """A conflict that is named twice, or not at all, refuses everything."""
    with pytest.raises(ConfigurationError, match=problem):
        decided(torn, *((label, Take.CORE) for label in labels))


def test_a_decision_without_its_reason_is_refused(torn: Toy) -> None:
    """One decision without a why refuses everything, and both conflicts stay open."""
    made = [Decision("1-1", Take.CORE, "because"), Decision("2-1", Take.SOURCE, " ")]
    with torn.open() as context, pytest.raises(ConfigurationError, match="2-1 is not decided without a reason"):
        resolve(context, made, who="ann")
    assert len(listed(torn)) == 2


def test_decisions_on_several_tables(torn: Toy, make: Records) -> None:
    """Each source and entity gets its own plan and receipt."""
    torn.policy = SyncPolicy(conflicts={"students": {"*": Rule.MANUAL}, "organizations": {"*": Rule.MANUAL}})
    torn.sends["organizations"] = [[make.organization(1)]]
    torn.sync("organizations")
    torn.execute("UPDATE core.organizations SET name = 'Ours'")
    torn.sync("organizations")
    outcome = decided(torn, ("2-1", Take.SOURCE), ("3-1", Take.SOURCE))
    assert [(receipt.entity, receipt.verified) for receipt in outcome.receipts] == [
        ("organizations", True),
        ("students", True),
    ]
    assert torn.core("organizations", "name") == [("School 1",)]
