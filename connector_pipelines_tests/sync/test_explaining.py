from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

from connector_pipelines.core.entities import entity
from connector_pipelines.errors import ConfigurationError
from connector_pipelines.model import Mode, RunKind
from connector_pipelines.sync import explaining
from connector_pipelines.sync.explaining import explain, instant
from connector_pipelines.sync.letters import Choice
from connector_pipelines.sync.retrying import retry
from connector_pipelines.sync.undoing import preview, undo

if TYPE_CHECKING:
    from connector_pipelines.sync.explaining import Explanation
    from connector_pipelines_tests.sync.conftest import Records, Toy


def explained(toy: Toy, name: str, external_id: str, field: str, at: datetime | None = None) -> Explanation:
    """Ask where a value comes from, or came from."""
    ((row,),) = toy.rows(
        "SELECT internal_id FROM connector.toy_mappings WHERE entity_type = %s AND external_id = %s", name, external_id
    )
    with toy.open() as context:
        return explain(context, {"toy": toy.source}, name, row, field, at=at)


def test_a_created_value_is_traced_to_its_bytes(toy: Toy, make: Records) -> None:
    """A value of a created row names source, plan, read, page, URL, raw record and the rule that made it."""
    record = make.student(2, phone="7")
    toy.sends["students"] = [[make.student(1)], [make.student(3), record]]
    plan = toy.sync("students")["students"].plan
    found = explained(toy, "students", "s2", "phone")
    assert (found.value, found.edit) == ("7", None)
    assert found.writing is not None
    assert (found.writing.source, found.writing.hash, found.writing.kind) == ("toy", plan.hash, RunKind.READ)
    assert found.record is not None
    assert (found.record.read, found.record.page, found.record.row, found.record.url) == (1, 2, 1, "toy://students")
    assert (json.loads(found.record.raw), found.record.derived) == (record, "7")
    assert found.record.rule.endswith("transform: phone → phone")
    assert (found.record.current, len(found.record.version)) == (True, 16)
    assert "from toy, read 1, page 2, record 1, by" in found.sentence


def test_each_field_is_explained_by_the_plan_that_wrote_it(toy: Toy, make: Records) -> None:
    """After an update, a changed field comes from the newer read, and its neighbor still from the older one."""
    toy.sends["students"] = [[make.student(1, phone="1", email="a@b")]]
    toy.sync("students")
    toy.sends["students"] = [[make.student(1, phone="2", email="a@b")]]
    toy.sync("students", mode=Mode.INCREMENTAL)
    reads = [record.read for f in ("phone", "email") if (record := explained(toy, "students", "s1", f).record)]
    assert reads == [2, 1]


def test_a_reference_is_explained_by_the_id_its_source_named(toy: Toy, make: Records) -> None:
    """The id in core stands for the external id that the record names."""
    toy.sends["organizations"] = [[make.organization(1)]]
    toy.sends["students"] = [[make.student(1, organization="o1")]]
    toy.sync("organizations", "students")
    found = explained(toy, "students", "s1", "organization_id")
    assert found.record is not None
    assert (found.record.derived, found.record.rule.split(": ")[1]) == ("o1", "organization → organization_id")


def test_a_row_that_waited_is_found_where_it_was_read(toy: Toy, make: Records) -> None:
    """A row that a later plan took up is traced to the page of the read it came with."""
    toy.sends["students"] = [[make.student(1, organization="o1")]]
    toy.sync("students")
    toy.sends = {"organizations": [[make.organization(1)]], "students": [[]]}
    toy.sync("organizations")
    toy.sync("students", mode=Mode.INCREMENTAL)
    found = explained(toy, "students", "s1", "given_name")
    assert found.writing is not None
    assert found.record is not None
    assert (found.writing.read, found.record.read, found.record.derived) == (3, 1, "Given1")


def test_a_row_that_was_retried_is_found_where_it_was_read(toy: Toy, make: Records) -> None:
    """A value that came with a retry names that plan, and the page its record was refused on."""
    toy.execute("ALTER TABLE core.students ADD CONSTRAINT no_nine CHECK (phone <> '9')")
    toy.sends["students"] = [[make.student(1)], [make.student(2, phone="9")]]
    toy.sync("students")
    toy.execute("ALTER TABLE core.students DROP CONSTRAINT no_nine")
    with toy.open() as context:
        retry(context, toy.source, Choice(), who="ann")
    found = explained(toy, "students", "s2", "phone")
    assert found.writing is not None
    assert found.record is not None
    assert (found.writing.kind, found.record.read, found.record.page) == (RunKind.RETRY, 1, 2)


def test_an_undone_value_is_explained_by_the_undo(toy: Toy, make: Records) -> None:
    """A value that an undo put back names the undo, and no record of the source."""
    for phone in ("1", "2"):
        toy.sends["students"] = [[make.student(1, phone=phone)]]
        plan = toy.sync("students")["students"].plan
    with toy.open() as context:
        seen = preview(context, toy.source, plan.hash)
        undo(context, toy.source, plan.hash, seen.hash, who="ann", why="looked at")
    found = explained(toy, "students", "s1", "phone")
    assert found.writing is not None
    assert (found.value, found.writing.kind, found.record) == ("1", RunKind.UNDO, None)


def test_an_edit_is_explained_by_who_made_it(toy: Toy, make: Records) -> None:
    """A value that a person wrote since names the person."""
    toy.sends["students"] = [[make.student(1, phone="1")]]
    toy.sync("students")
    toy.execute(
        "SET connector_pipelines.editor = 'ann'",
        "UPDATE core.students SET phone = '2'",
    )
    found = explained(toy, "students", "s1", "phone")
    assert found.edit is not None
    assert (found.edit.who, found.record) == ("ann", None)
    assert found.sentence.startswith("edited by ann at")


def test_only_fed_fields_of_rows_that_exist(toy: Toy, make: Records) -> None:
    """A column that no source feeds, or a row that is not there, is refused by name."""
    toy.sends["students"] = [[make.student(1)]]
    toy.sync("students")
    with pytest.raises(ConfigurationError, match="no source feeds notes of students"):
        explained(toy, "students", "s1", "notes")
    with toy.open() as context, pytest.raises(ConfigurationError, match="no students 99"):
        explain(context, {}, "students", 99, "phone")


def test_random_fields_are_derived_again_from_the_named_bytes(toy: Toy, make: Records) -> None:
    """For many random fields after a random history, the named bytes alone give the value that core holds."""
    chance = random.Random(7)

    def some() -> object:
        return chance.choice([None, "", "é ☃", "7", "x" * 50])

    for _ in range(4):
        people = [
            make.student(n, phone=some(), email=some(), enabled=chance.choice([True, False, None]), grades=some())
            for n in chance.sample(range(20), 14)
        ]
        toy.sends["students"] = [people[:7], people[7:]]
        toy.sync("students", mode=chance.choice(list(Mode)))
    fields = [column.name for column in entity("students").columns]
    seen = 0
    for external_id, *values in toy.core("students", "external_id", *fields):
        for field, value in chance.sample(list(zip(fields, values, strict=True)), 5):
            found = explained(toy, "students", str(external_id), field)
            assert found.record is not None
            assert (found.value, found.record.derived) == (value, value)
            assert json.loads(found.record.raw).get(field) == value
            seen += 1
    assert seen >= 70


def clock(toy: Toy) -> datetime:
    """The database's time."""
    ((now,),) = toy.rows("SELECT clock_timestamp()")
    assert isinstance(now, datetime)
    return now


def test_a_value_is_explained_as_it_was(toy: Toy, make: Records) -> None:
    """Each time has the value that core held then, and who gave it: the first plan, a person, the plan after that."""
    asked = []
    for phone, mode in (("1", Mode.FULL), ("3", Mode.FULL)):
        toy.sends["students"] = [[make.student(1, phone=phone, email="a@b")]]
        toy.sync("students", mode=mode)
        asked.append(clock(toy))
        if phone == "1":
            toy.execute("SET connector_pipelines.editor = 'ann'", "UPDATE core.students SET phone = '2'")
            asked.append(clock(toy))
    first, edited, last = (explained(toy, "students", "s1", "phone", at) for at in asked)
    assert [found.value for found in (first, edited, last)] == ["1", "2", "3"]
    assert [found.record and found.record.read for found in (first, edited, last)] == [1, None, 2]
    assert edited.edit is not None
    assert (
        edited.sentence == f"at {asked[1].astimezone(UTC):%Y-%m-%d %H:%M} UTC: edited by ann at" + edited.sentence[-21:]
    )
    email = [explained(toy, "students", "s1", "email", at) for at in asked]
    assert [(found.value, found.record and found.record.read) for found in email] == [("a@b", 1)] * 3
    with pytest.raises(ConfigurationError, match=r"core had no students 1 at .* It came at"):
        explained(toy, "students", "s1", "phone", asked[0] - timedelta(days=1))


def test_another_version_of_the_mapping_is_told(toy: Toy, make: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the code or the settings changed since the read, the explanation says so."""
    toy.sends["students"] = [[make.student(1)]]
    toy.sync("students")
    monkeypatch.setattr(explaining, "salt_of", lambda *_: 1)
    found = explained(toy, "students", "s1", "given_name")
    assert found.record is not None
    assert (found.record.current, found.sentence.endswith(", which changed since")) == (False, True)


def test_times_are_read_with_their_zone() -> None:
    """A time without a zone is UTC, nothing is now, and what is no time is refused by name."""
    assert instant("2026-11-05T08:00+01:00") == datetime(2026, 11, 5, 8, tzinfo=timezone(timedelta(hours=1)))
    assert (instant("2026-11-05"), instant("")) == (datetime(2026, 11, 5, tzinfo=UTC), None)
    with pytest.raises(ConfigurationError, match="'yesterday' is no time"):
        instant("yesterday")


def test_random_fields_are_found_again_as_they_were(toy: Toy, make: Records) -> None:
    """For many random fields and times of a random history of syncs, edits and undos, the value that core held then is
    told, and where a record gave it, it stands in the bytes of the page that is named, at the byte that is named.
    """
    chance, moments = random.Random(17), list[tuple[datetime, dict[int, dict[str, Any]]]]()
    toy.may(guard={"limits": {"floor": 1000}})
    for step in range(10):
        people = [
            make.student(
                n, phone=str(chance.randrange(4)), email=chance.choice([None, "", "é ☃"]), grades=str(step % 3)
            )
            for n in chance.sample(range(20), 14)
        ]
        toy.sends["students"] = [people[:7], people[7:]]
        plan = toy.sync("students", mode=chance.choice(list(Mode)))["students"].plan
        moments.append(seen(toy))
        if chance.random() < 0.5:
            toy.execute(f"UPDATE core.students SET phone = 'edited {step}' WHERE id % 5 = {chance.randrange(5)}")
            moments.append(seen(toy))
        if chance.random() < 0.3:
            with toy.open() as context:
                undo(context, toy.source, plan.hash, preview(context, toy.source, plan.hash).hash, who="ann", why="so")
            moments.append(seen(toy))
    fields, traced = ["given_name", "family_name", "phone", "email", "grades", "status"], 0
    with toy.open() as context:
        for _ in range(60):
            at, then = chance.choice(moments)
            row, field = chance.choice(list(then)), chance.choice(fields)
            found = explain(context, {"toy": toy.source}, "students", row, field, at=at)
            assert found.value == then[row][field], found.sentence
            if found.record:
                pages = {page.number: page.body for page in context.landing.pages("toy", "students", found.record.read)}
                first = found.record.offset
                assert first is not None
                assert pages[found.record.page][first : first + len(found.record.raw)] == found.record.raw
                assert json.loads(found.record.raw).get(field) == found.record.derived == then[row][field]
                traced += 1
    assert traced > 30


def seen(toy: Toy) -> tuple[datetime, dict[int, dict[str, Any]]]:
    """A time, and what core holds at it, by row."""
    rows = dict(toy.rows("SELECT id, to_jsonb(c) FROM core.students c"))
    return clock(toy), rows
