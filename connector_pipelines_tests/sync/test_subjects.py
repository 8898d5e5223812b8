"""All that is held about one person, and of nobody else."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from connector_pipelines.errors import ConfigurationError
from connector_pipelines.sync.subjects import Subject, export

if TYPE_CHECKING:
    from connector_pipelines_tests.sync.conftest import Records, Toy


def held(toy: Toy, subject: Subject, **sources: Any) -> dict[str, list[Any]]:
    """What is held."""
    with toy.open() as context:
        return export(context, subject, sources or {"toy": toy.source}, who="ann", why="she asked")


@pytest.fixture
def known(toy: Toy, make: Records) -> Toy:
    """Two students with a class each; of the first also a change, an edit, and a record that waits for another."""
    toy.sends["students"] = [[make.student(1, phone="555-1"), make.student(2)], [make.student(3)]]
    toy.sends["sections"] = [[make.section(1)]]
    toy.sends["enrollments"] = [[make.enrollment(1, "s1", "c1"), make.enrollment(2, "s2", "c1")]]
    toy.sync()
    toy.execute("UPDATE core.students SET phone = '555-9' WHERE phone = '555-1'")
    toy.sends["students"] = [[make.student(2), make.student(3)], [make.student(1, email="one@toy.example")]]
    toy.sends["enrollments"][0].append(make.enrollment(3, "s1", "c9"))  # type: ignore[union-attr]
    toy.sync()
    return toy


def own(toy: Toy, external_id: str) -> int:
    """A student's id in core."""
    return next(int(row) for name, row in toy.core("students", "external_id", "id") if name == external_id)


def test_everything_of_one_person_and_of_nobody_else(known: Toy) -> None:
    """Core with what points to the row, mappings, changes, edits, letters, and every landed record with its place."""
    found = held(known, Subject("students", own(known, "s1")))
    assert [row["email"] for row in found["students"]] == ["one@toy.example"]
    assert [row["student_id"] for row in found["enrollments"]] == [own(known, "s1")]
    assert [m["external_id"] for m in found["mappings"]] == ["e1", "s1"]
    assert [(d["external_id"], d["state"]) for d in found["dead letters"]] == [("e3", "waiting")]
    assert [(c["entity"], sorted(c["changes"])) for c in found["changes"]] == [("students", ["email", "phone"])]
    assert [(e["field"], e["after"]) for e in found["edits"]] == [("phone", "555-9")]
    landed = {(one["entity"], one["page"], one["row"], json.loads(one["record"])["id"]) for one in found["landed"]}
    assert landed >= {
        ("students", 1, 0, "s1"),
        ("students", 2, 0, "s1"),
        ("enrollments", 1, 0, "e1"),
        ("enrollments", 1, 2, "e3"),
    }
    told = json.dumps(found)
    assert "Given2" not in told
    assert "Given3" not in told


def test_by_the_name_that_a_source_has_for_them(known: Toy) -> None:
    """Source and external id find the same."""
    assert held(known, Subject("students", source="toy", external_id="s1")) == held(
        known, Subject("students", own(known, "s1"))
    )


def test_a_person_whom_core_does_not_have(toy: Toy, make: Records) -> None:
    """A record that was refused is held, too: as a dead letter and on its page."""
    toy.sends["students"] = [[make.student(1, status=None), make.student(2)]]
    toy.sync("students")
    found = held(toy, Subject("students", source="toy", external_id="s1"))
    assert [letter["external_id"] for letter in found["dead letters"]] == ["s1"]
    assert [(one["page"], one["row"]) for one in found["landed"]] == [(1, 0)]
    assert "students" not in found


def test_pages_that_cannot_be_read_are_named(known: Toy) -> None:
    """What is on a damaged page, or on pages of a source that is declared no more, is not passed over in silence."""
    subject = Subject("students", own(known, "s1"))
    gone = held(known, subject, other=known.twin("other").source)["landed"]
    assert {one["unread"] for one in gone if one["entity"] == "students"} == {
        "no source toy that provides students is declared"
    }
    read = known.landing.reads("toy", "students")[0]
    (known.landing._folder("toy", "students", read) / "page-000001.zst").write_bytes(b"damaged")
    broken = [one for one in held(known, subject)["landed"] if "unread" in one]
    assert [one["read"] for one in broken] == [read]


def test_who_asked_and_why_is_in_the_audit_log(known: Toy) -> None:
    """The entry names the person's id and counts, and holds no value; without a reason nothing is told."""
    row = own(known, "s1")
    held(known, Subject("students", row))
    [(who, action, detail)] = known.rows("SELECT who, action, detail FROM connector.integration_audit_logs")
    assert (who, action, detail["why"], detail["id"]) == ("ann", "subject exported", "she asked", row)
    assert detail["rows"]["students"] == 1
    assert "Given1" not in json.dumps(detail)
    with known.open() as context, pytest.raises(ConfigurationError, match="nothing is exported without a reason"):
        export(context, Subject("students", row), {}, who="ann", why=" ")


@pytest.mark.parametrize(
    ("subject", "said"),
    [
        ({"entity": "sections", "id": 1}, "'sections' are no persons"),
        ({"entity": "students"}, "it is not said who is meant"),
        ({"entity": "students", "id": 1, "source": "toy", "external_id": "s1"}, "it is not said who is meant"),
        ({"entity": "students", "source": "toy"}, "it is not said who is meant"),
    ],
)
def test_it_must_be_clear_who_is_meant(subject: dict[str, Any], said: str) -> None:
    """Of persons alone, by exactly one kind of id."""
    with pytest.raises(ConfigurationError, match=said):
        Subject(**subject)


def test_nothing_is_held_of_a_stranger(known: Toy) -> None:
    """That is an error, so that nobody answers with an empty file for a mistyped id; nothing is noted."""
    with pytest.raises(ConfigurationError, match="nothing is held of students 999999"):
        held(known, Subject("students", 999_999))
