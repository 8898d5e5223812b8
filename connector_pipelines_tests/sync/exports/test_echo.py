"""What we wrote to a source, and what it then sends back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from connector_pipelines.model import Counts

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
