"""What we wrote to a source, and what it then sends back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from connector_pipelines.model import Counts, Mode

if TYPE_CHECKING:
    from connector_pipelines_tests.sync.conftest import Records, Toy


@pytest.fixture
def exported(toy: Toy) -> Toy:
    """A source at which we keep up the record s1 of a student of core."""
    toy.execute(
        "INSERT INTO core.students (given_name, family_name, status) VALUES ('Given1', 'Toy', 'active')",
        "INSERT INTO connector.exports (source, entity, key, external_id, state)"
        " VALUES ('toy', 'users', 'students/1', 's1', 'verified'), ('toy', 'courses', 'courses/9', 's2', 'verified')",
    )
    return toy


def test_what_we_wrote_comes_back_as_no_news(exported: Toy, make: Records) -> None:
    """A record that we keep up is linked to its row of core without a change; another one with such an id is new."""
    exported.sends["students"] = [[make.student(1), make.student(2)]]
    counts = exported.sync("students")["students"].plan.counts
    assert counts == Counts(fetched=2, created=1, unchanged=1, linked=1)
    assert exported.core("students", "id", "external_id") == [(1, "s1"), (2, "s2")]
    assert exported.sync("students")["students"].plan.counts == Counts(fetched=2, unchanged=2)


def test_what_changed_there_is_news(exported: Toy, make: Records) -> None:
    """A field that somebody changed there is an update of the row that the record belongs to."""
    exported.sends["students"] = [[make.student(1, phone="1")]]
    assert exported.sync("students")["students"].plan.counts == Counts(fetched=1, updated=1, linked=1)
    assert exported.core("students", "id", "phone") == [(1, "1")]


def test_a_child_names_what_we_keep_up_there(exported: Toy, make: Records) -> None:
    """A record finds its parent under the id that our row has at its source, of a section in any term; an id that our
    row has elsewhere, or that another kind of row has, is unknown. It comes when we keep the parent up there, too.
    """
    exported.execute(
        "INSERT INTO core.sections (title, status) VALUES ('One', 'active'), ('Two', 'active')",
        "INSERT INTO connector.exports (source, entity, key, external_id, state)"
        " VALUES ('toy', 'courses', 'sections/1@terms/5', 'c1', 'verified'),"
        " ('other', 'courses', 'sections/2', 'c2', 'verified')",
    )
    exported.sends["enrollments"] = [
        [make.enrollment(1, "s1", "c1"), make.enrollment(2, "s1", "c2"), make.enrollment(3, "s1", "s2")]
    ]
    outcome = exported.sync("enrollments")["enrollments"]
    assert (outcome.verified, outcome.plan.counts.created, outcome.plan.counts.waiting) == (True, 1, 2)
    assert exported.core("enrollments", "external_id", "student_id", "section_id") == [("e1", 1, 1)]
    exported.sends["enrollments"] = [[]]
    assert exported.sync("enrollments", mode=Mode.INCREMENTAL)["enrollments"].plan.counts.retried == 0
    exported.execute(
        "INSERT INTO connector.exports (source, entity, key, external_id, state)"
        " VALUES ('toy', 'courses', 'sections/2', 'c2', 'verified')"
    )
    counts = exported.sync("enrollments", mode=Mode.INCREMENTAL)["enrollments"].plan.counts
    assert (counts.retried, counts.created) == (1, 1)
    assert exported.core("enrollments", "external_id", "student_id", "section_id") == [("e1", 1, 1), ("e2", 1, 2)]


def test_a_parent_of_its_own_kind_that_we_keep_up_there(exported: Toy, make: Records) -> None:
    """An organization belongs to one that we keep up there, though no record of it ever came."""
    exported.execute(
        "INSERT INTO core.organizations (name, status) VALUES ('District', 'active')",
        "INSERT INTO connector.exports (source, entity, key, external_id, state)"
        " VALUES ('toy', 'categories', 'organizations/1', 'o1', 'verified')",
    )
    exported.sends["organizations"] = [[make.organization(2, parent="o1")]]
    assert exported.sync("organizations")["organizations"].plan.counts == Counts(fetched=1, created=1)
    assert exported.core("organizations", "external_id", "parent_id") == [("o2", 1)]
