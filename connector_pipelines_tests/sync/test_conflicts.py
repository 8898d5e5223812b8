from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from connector_pipelines.model import Mode
from connector_pipelines.policy import Rule, SyncPolicy
from connector_pipelines.sync.planning import Change, plan, sample_changes

if TYPE_CHECKING:
    from connector_pipelines_tests.sync.conftest import Records, Row, Toy

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def ruled(toy: Toy, **fields: Rule) -> None:
    """Declare who wins, for fields of students; `every` for all others."""
    named = {field.replace("every", "*"): rule for field, rule in fields.items()}
    toy.policy = SyncPolicy(conflicts={"students": named})


def edit(toy: Toy, field: str, value: object, at: datetime = NOON) -> None:
    """A person edits the first student at some time."""
    toy.execute(f"UPDATE core.students SET {field} = '{value}' WHERE id = 1")
    toy.execute(
        f"UPDATE connector.core_edits SET edited_at = '{at}' WHERE id = (SELECT max(id) FROM connector.core_edits)"
    )


def conflicts(toy: Toy, *columns: str) -> list[Row]:
    """Columns of all conflicts, in their order."""
    return toy.rows(f"SELECT {', '.join(columns)} FROM connector.conflicts ORDER BY id")


def open_edits(toy: Toy) -> list[Any]:
    """The fields of all open edits."""
    return [name for (name,) in toy.rows("SELECT field FROM connector.core_edits WHERE settled_by IS NULL ORDER BY id")]


# What core holds after it was edited at noon, and how many conflicts the plan counts: for a source that changed the
# field an hour before, an hour after, and not at all.
Case = tuple[Rule, datetime, str, str, int]
ORDERS: list[Case] = [
    (Rule.EXTERNAL_WINS, NOON - HOUR, "theirs", "theirs", 0),
    (Rule.EXTERNAL_WINS, NOON + HOUR, "theirs", "theirs", 0),
    (Rule.EXTERNAL_WINS, NOON - 9 * HOUR, "first", "first", 0),
    (Rule.LAST_WRITE_WINS, NOON - HOUR, "theirs", "ours", 0),
    (Rule.LAST_WRITE_WINS, NOON + HOUR, "theirs", "theirs", 0),
    (Rule.LAST_WRITE_WINS, NOON - 9 * HOUR, "first", "ours", 0),
    (Rule.CORE_OWNS, NOON - HOUR, "theirs", "ours", 0),
    (Rule.CORE_OWNS, NOON + HOUR, "theirs", "ours", 0),
    (Rule.CORE_OWNS, NOON - 9 * HOUR, "first", "ours", 0),
    (Rule.MANUAL, NOON - HOUR, "theirs", "ours", 1),
    (Rule.MANUAL, NOON + HOUR, "theirs", "ours", 1),
    (Rule.MANUAL, NOON - 9 * HOUR, "first", "ours", 1),
]


@pytest.mark.parametrize("case", ORDERS)
def test_four_rules_in_three_orders(toy: Toy, make: Records, case: Case) -> None:
    """Each rule decides each order of edits as declared; the accounting holds, and a second sync changes nothing."""
    rule, modified, sent, stands, waiting = case
    ruled(toy, phone=rule)
    toy.sends["students"] = [[make.student(1, phone="first", modified=(NOON - 9 * HOUR).isoformat())]]
    toy.sync("students")
    edit(toy, "phone", "ours")
    toy.sends["students"] = [[make.student(1, phone=sent, modified=modified.isoformat())]]
    for _ in range(2):
        outcome = toy.sync("students")["students"]
        assert outcome.verified
        assert outcome.plan.counts.conflicts == waiting
        assert toy.core("students", "phone") == [(stands,)]
    assert outcome.plan.counts.updated == 0
    assert open_edits(toy) == ([] if stands == sent else ["phone"])


def test_a_plan_shows_what_it_leaves(toy: Toy, make: Records) -> None:
    """Who looks at a plan sees the fields that stay as they are in core, with both values and the reason."""
    ruled(toy, phone=Rule.MANUAL)
    toy.sends["students"] = [[make.student(1, phone="first", email="a@x.example")]]
    toy.sync("students")
    edit(toy, "phone", "ours")
    toy.sends["students"] = [[make.student(1, phone="theirs", email="b@x.example")]]
    made = toy.prepare("students")
    with toy.open() as context:
        found = sample_changes(context, made)
    why = "stays: a person edited core, and the source says something else"
    assert found == [
        Change("students", "s1", "conflict", "email", "a@x.example", "b@x.example", "differs"),
        Change("students", "s1", "conflict", "phone", "ours", "theirs", why),
    ]


def test_what_was_overwritten_is_kept(toy: Toy, make: Records) -> None:
    """An edit that the source overrules stands with both values in the plan's changes, and names the plan."""
    toy.sends["students"] = [[make.student(1, phone="1")]]
    toy.sync("students")
    edit(toy, "phone", "ours")
    made = toy.sync("students")["students"].plan
    assert toy.rows("SELECT plan_id, changes FROM connector.sync_changes") == [(made.id, {"phone": ["ours", "1"]})]
    assert toy.rows("SELECT settled_by FROM connector.core_edits") == [(made.id,)]


def test_an_edit_that_the_source_confirms_is_settled(toy: Toy, make: Records) -> None:
    """When the source says what a person wrote, nothing is contested any more: its next change is no conflict."""
    ruled(toy, phone=Rule.MANUAL)
    for value in ("1", "ours", "2"):
        toy.sends["students"] = [[make.student(1, phone=value)]]
        assert toy.sync("students")["students"].plan.counts.conflicts == 0
        if value == "1":
            edit(toy, "phone", "ours")
    assert toy.core("students", "phone") == [("2",)]


@pytest.mark.parametrize(
    ("modified", "stands"),
    [("2026-03-01T11:59:59", "ours"), ("2026-03-01T12:00:00", "theirs"), ("2026-03-01T14:00:00+02:00", "theirs"),
     ("2026-03-01T13:00:00+02:00", "ours")],
)  # fmt: skip
def test_time_without_a_zone_is_utc(toy: Toy, make: Records, modified: str, stands: str) -> None:
    """A record's time without a zone is UTC, another zone is converted; where both times are equal, the source wins."""
    ruled(toy, phone=Rule.LAST_WRITE_WINS)
    toy.sends["students"] = [[make.student(1, phone="1")]]
    toy.sync("students")
    edit(toy, "phone", "ours", at=NOON)
    toy.sends["students"] = [[make.student(1, phone="theirs", modified=modified)]]
    toy.sync("students")
    assert toy.core("students", "phone") == [(stands,)]


def test_time_far_in_the_future_counts_as_the_start_of_the_read(toy: Toy, make: Records) -> None:
    """A clock that is hours ahead does not beat an edit made since the read began; it beats one made before."""
    ruled(toy, every=Rule.LAST_WRITE_WINS)
    toy.sends["students"] = [[make.student(1, phone="1", email="a@toy")]]
    toy.sync("students")
    ahead = (datetime.now(UTC) + 9 * HOUR).isoformat()
    toy.sends["students"] = [[make.student(1, phone="theirs", email="theirs@toy", modified=ahead)]]
    edit(toy, "phone", "before", at=datetime.now(UTC))
    toy.pull("students")
    edit(toy, "email", "since@toy", at=datetime.now(UTC))
    with toy.open() as context:
        plan(context, toy.source, "students")
    toy.apply("students")
    assert toy.core("students", "phone", "email") == [("theirs", "since@toy")]


def test_record_without_a_time_waits_for_a_person(toy: Toy, make: Records) -> None:
    """Where the last write wins and the record does not say when it was written, nobody can say: a conflict."""
    ruled(toy, phone=Rule.LAST_WRITE_WINS)
    toy.sends["students"] = [[make.student(1, phone="1")]]
    toy.sync("students")
    edit(toy, "phone", "ours")
    toy.sends["students"] = [[make.student(1, phone="theirs")]]
    assert toy.sync("students")["students"].plan.counts.conflicts == 1
    assert conflicts(toy, "reason", "modified_at") == [("the record does not say when it changed", None)]


def test_a_conflict_holds_both_versions(toy: Toy, make: Records) -> None:
    """A manual conflict stores both values and times, the plan, the read and why; the other fields are written."""
    ruled(toy, phone=Rule.MANUAL)
    toy.sends["students"] = [[make.student(1, phone="1", email="a@toy"), make.student(2)]]
    toy.sync("students")
    edit(toy, "phone", "ours")
    toy.sends["students"] = [[make.student(1, phone="theirs", email="b@toy", modified="2026-03-01"), make.student(2)]]
    outcome = toy.sync("students")["students"]
    counts = outcome.plan.counts
    assert (counts.fetched, counts.conflicts, counts.updated, counts.unchanged) == (2, 1, 0, 1)
    assert outcome.verified
    assert outcome.receipt
    assert outcome.receipt.planned_checksum != 0
    assert toy.core("students", "phone", "email")[0] == ("ours", "b@toy")
    assert toy.rows("SELECT action, changes FROM connector.sync_changes") == [("update", {"email": ["a@toy", "b@toy"]})]
    columns = ("source", "entity", "external_id", "internal_id", "field", "core_value", "source_value", "edited_at")
    assert conflicts(toy, *columns) == [("toy", "students", "s1", 1, "phone", "ours", "theirs", NOON)]
    assert conflicts(toy, "modified_at", "plan_id", "run_id", "state") == [
        (datetime(2026, 3, 1, tzinfo=UTC), outcome.plan.id, outcome.plan.read_id, "open")
    ]


@pytest.mark.parametrize("mode", [Mode.FULL, Mode.INCREMENTAL])
def test_a_conflict_counts_until_it_is_decided(toy: Toy, make: Records, mode: Mode) -> None:
    """Every read of the record finds the conflict again, but it is stored once, and only one is open for a field."""
    ruled(toy, phone=Rule.MANUAL)
    toy.sends["students"] = [[make.student(1, phone="1")]]
    toy.sync("students")
    edit(toy, "phone", "ours")
    for sent in ("1", "1", "theirs", "theirs", "1"):
        toy.sends["students"] = [[make.student(1, phone=sent)]]
        assert toy.sync("students", mode=mode)["students"].plan.counts.conflicts == 1
        assert conflicts(toy, "id", "source_value", "state") == [(1, sent, "open")]
    edit(toy, "phone", "ours again")
    toy.sync("students")
    assert conflicts(toy, "id", "core_value", "state") == [(1, "ours again", "open")]


@pytest.mark.parametrize("who", ["core", "source"])
def test_a_conflict_resolves_itself_when_both_agree(toy: Toy, make: Records, who: str) -> None:
    """When either side takes over the other's value, the conflict is closed and the edit settled."""
    ruled(toy, phone=Rule.MANUAL)
    toy.sends["students"] = [[make.student(1, phone="1")]]
    toy.sync("students")
    edit(toy, "phone", "ours")
    toy.sends["students"] = [[make.student(1, phone="theirs")]]
    toy.sync("students")
    if who == "core":
        edit(toy, "phone", "theirs")
    else:
        toy.sends["students"] = [[make.student(1, phone="ours")]]
    outcome = toy.sync("students")["students"]
    assert (outcome.plan.counts.conflicts, outcome.plan.counts.unchanged) == (0, 1)
    assert conflicts(toy, "state", "decision", "decided_by", "settled_by") == [
        ("resolved", "agreed", "sync", outcome.plan.id)
    ]
    assert open_edits(toy) == []


def test_another_rule_closes_a_conflict(toy: Toy, make: Records) -> None:
    """When the rule of a field changes, the next full read judges every record anew, also those it knows."""
    ruled(toy, phone=Rule.MANUAL, email=Rule.CORE_OWNS)
    toy.sends["students"] = [[make.student(1, phone="1", email="a@toy")]]
    toy.sync("students")
    edit(toy, "phone", "ours")
    toy.sends["students"] = [[make.student(1, phone="1", email="b@toy")]]
    toy.sync("students")
    assert toy.core("students", "phone", "email") == [("ours", "a@toy")]
    ruled(toy)
    assert toy.sync("students")["students"].plan.counts.updated == 1
    assert toy.core("students", "phone", "email") == [("1", "b@toy")]
    assert conflicts(toy, "state", "decision") == [("resolved", "rule")]


def test_row_of_which_core_owns_all_that_differs_is_unchanged(toy: Toy, make: Records) -> None:
    """A record whose only differences are core's own counts as unchanged, and is not looked at again."""
    ruled(toy, phone=Rule.CORE_OWNS)
    toy.sends["students"] = [[make.student(1, phone="first")]]
    toy.sync("students")
    toy.sends["students"] = [[make.student(1, phone="theirs")]]
    before = toy.rows("SELECT xmin::text FROM core.students")
    outcome = toy.sync("students")["students"]
    assert (outcome.plan.counts.unchanged, outcome.plan.counts.updated, outcome.verified) == (1, 0, True)
    assert toy.sync("students")["students"].plan.chunks == 0
    assert toy.core("students", "phone", "sync_version") == [("first", 1)]
    assert toy.rows("SELECT xmin::text FROM core.students") == before


def test_core_can_own_a_reference(toy: Toy, make: Records) -> None:
    """A rule for a column that points to another row holds as for any other."""
    ruled(toy, organization_id=Rule.CORE_OWNS)
    toy.sends["organizations"] = [[make.organization(1), make.organization(2)]]
    toy.sends["students"] = [[make.student(1, organization="o1")]]
    toy.sync("organizations", "students")
    toy.sends["students"] = [[make.student(1, organization="o2", phone="1")]]
    outcome = toy.sync("organizations", "students")["students"]
    assert (outcome.plan.counts.updated, outcome.verified) == (1, True)
    assert toy.core("students", "organization_id", "phone") == toy.rows("SELECT 1::bigint, '1'")


def test_edit_between_plan_and_apply_of_an_equal_row(toy: Toy, make: Records) -> None:
    """An edit made after a row was found equal is not forgotten: the plan is made anew and judges it."""
    ruled(toy, phone=Rule.MANUAL)
    toy.sends["students"] = [[make.student(1, phone="1")]]
    toy.sync("students")
    toy.execute("UPDATE connector.external_system_mappings SET row_hash = NULL, fingerprint = NULL")
    assert toy.prepare("students").counts.unchanged == 1
    edit(toy, "phone", "ours")
    (receipt,) = toy.apply("students")
    assert (receipt.counts.conflicts, receipt.verified) == (1, True)
    assert toy.core("students", "phone") == [("ours",)]


def test_row_in_conflict_that_core_refuses(toy: Toy, make: Records) -> None:
    """When the database refuses the other fields of a row in conflict, it becomes a dead letter and nothing is lost."""
    ruled(toy, phone=Rule.MANUAL)
    toy.sends["students"] = [[make.student(1, phone="1"), make.student(2, phone="1")]]
    toy.sync("students")
    toy.execute("ALTER TABLE core.students ADD CHECK (email <> 'bad')")
    edit(toy, "phone", "ours")
    toy.sends["students"] = [[make.student(1, phone="2", email="bad"), make.student(2, phone="2")]]
    outcome = toy.sync("students")["students"]
    assert outcome.receipt
    counts = outcome.receipt.counts
    assert (counts.conflicts, counts.dead_lettered, counts.updated, outcome.verified) == (0, 1, 1, True)
    assert conflicts(toy, "id") == []


def test_incremental_read_finds_a_conflict(toy: Toy, make: Records) -> None:
    """The rules hold for a read of what changed as well."""
    ruled(toy, phone=Rule.MANUAL)
    toy.sends["students"] = [[make.student(1, phone="1")]]
    toy.sync("students")
    edit(toy, "phone", "ours")
    toy.sends["students"] = [[make.student(1, phone="theirs", modified=datetime.now(UTC).isoformat())]]
    assert toy.sync("students", mode=Mode.INCREMENTAL)["students"].plan.counts.conflicts == 1


def test_two_sources_share_a_row_by_owning_fields(toy: Toy, make: Records) -> None:
    """Where two sources feed one row, a field that one of them may not write stays the other's."""
    toy.sends["students"] = [[make.student(1, phone="1", email="a@toy")]]
    toy.sync("students")
    other = toy.twin("other")
    ruled(other, every=Rule.CORE_OWNS, phone=Rule.EXTERNAL_WINS)
    other.sends["students"] = [[make.student(1, phone="1")]]
    other.sync("students")
    other.execute("UPDATE connector.external_system_mappings SET internal_id = 1 WHERE connector_id = 'other'")
    other.sends["students"] = [[make.student(1, phone="2", email="theirs@toy", given_name="Other")]]
    assert other.sync("students")["students"].verified
    assert toy.core("students", "given_name", "phone", "email") == [("Given1", "2", "a@toy")]
