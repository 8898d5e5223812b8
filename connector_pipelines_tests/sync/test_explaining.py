from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING

import pytest

from connector_pipelines.core.entities import entity
from connector_pipelines.errors import ConfigurationError
from connector_pipelines.model import Mode, RunKind
from connector_pipelines.sync.explaining import explain
from connector_pipelines.sync.letters import Choice
from connector_pipelines.sync.retrying import retry
from connector_pipelines.sync.undoing import preview, undo

if TYPE_CHECKING:
    from connector_pipelines.sync.explaining import Explanation
    from connector_pipelines_tests.sync.conftest import Records, Toy


def explained(toy: Toy, name: str, external_id: str, field: str) -> Explanation:
    """Ask where a value comes from."""
    ((row,),) = toy.rows(
        "SELECT internal_id FROM connector.toy_mappings WHERE entity_type = %s AND external_id = %s", name, external_id
    )
    with toy.open() as context:
        return explain(context, {"toy": toy.source}, name, row, field)


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
        retry(context, toy.source, Choice())
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
        undo(context, toy.source, plan.hash, seen.hash, who="ann")
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
