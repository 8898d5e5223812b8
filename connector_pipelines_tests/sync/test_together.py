"""Records that come with all of their siblings: what a read of changes proves to be gone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from connector_pipelines.model import Mode
from connector_pipelines.pages import Together
from connector_pipelines.sync.replaying import replay

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connector_pipelines.model import Plan
    from connector_pipelines_tests.sync.conftest import Record, Records, Toy


@pytest.fixture
def classes(toy: Toy, make: Records) -> Toy:
    """Two students in a class and one in another; a change of an enrollment brings all of its class.

    A record without an id stands for a class that has none any more.
    """
    toy.sends["students"] = [[make.student(n) for n in (1, 2, 3)]]
    toy.sends["sections"] = [[make.section(n) for n in (1, 2)]]
    toy.sends["enrollments"] = [[make.enrollment(n, f"s{n}", f"c{max(1, n - 1)}") for n in (1, 2, 3)]]
    toy.together["enrollments"] = Together("section", _sections)
    toy.sync("students", "sections", "enrollments")
    return toy


def _sections(body: bytes) -> Sequence[str]:
    return [record["section"] for record in json.loads(body)]


def changes(toy: Toy, *records: Record) -> Plan:
    """Sync these changes of enrollments."""
    toy.sends["enrollments"] = [list(records)]
    return toy.sync("enrollments", mode=Mode.INCREMENTAL)["enrollments"].plan


def present(toy: Toy) -> list[bool]:
    """Of each enrollment whether it is there at the source, as far as we know."""
    return [at is None for (at,) in toy.mappings("enrollments", "absent_since")]


def test_what_is_missing_among_its_siblings_is_gone(classes: Toy, make: Records) -> None:
    """A class comes with one of its two enrollments: the other is absent, and nothing is known of other classes."""
    plan = changes(classes, make.enrollment(1, "s1", "c1"))
    assert (plan.counts.unchanged, plan.counts.absent, plan.counts.dropped) == (1, 1, 0)
    assert present(classes) == [True, False, True]
    assert classes.core("enrollments", "status") == [("enrolled",)] * 3
    assert changes(classes, make.enrollment(1, "s1", "c1")).counts.absent == 0
    changes(classes, make.enrollment(1, "s1", "c1"), make.enrollment(2, "s2", "c1"))
    assert present(classes) == [True, True, True]


def test_it_is_dropped_where_that_is_allowed(classes: Toy, make: Records) -> None:
    """With drops on what is gone becomes inactive, and the guard watches as it does over every drop."""
    classes.may(drops=["enrollments"])
    assert changes(classes, make.enrollment(1, "s1", "c1")).counts.dropped == 1
    assert classes.core("enrollments", "status") == [("enrolled",), ("dropped",), ("enrolled",)]


def test_a_sibling_that_moved_or_was_refused_is_not_gone(classes: Toy, make: Records) -> None:
    """A record that is now another parent's, and one that breaks a rule, were sent: neither is absent."""
    moved, refused = make.enrollment(1, "s1", "c2"), make.enrollment(2, "s2", "c1", status=None)
    plan = changes(classes, moved, refused, make.enrollment(3, "s3", "c2"))
    assert (plan.counts.updated, plan.counts.dead_lettered, plan.counts.absent) == (1, 1, 0)
    assert present(classes) == [True] * 3


def test_a_full_read_needs_no_siblings(classes: Toy, make: Records) -> None:
    """A full read that did not hold still proves nothing, whatever came with what."""
    classes.sends["enrollments"] = [[make.enrollment(1, "s1", "c1")]]
    classes.may(drops=["enrollments"])
    plan = classes.sync("enrollments")["enrollments"].plan
    assert (plan.counts.absent, plan.counts.dropped) == (2, 0)


def test_it_is_found_again_in_the_landed_pages(classes: Toy, make: Records) -> None:
    """Staged rows that were lost, and a replay, give the same plan: the proof lies in the pages."""
    classes.sends["enrollments"] = [[make.enrollment(1, "s1", "c1")]]
    read = classes.pull("enrollments", mode=Mode.INCREMENTAL)
    classes.execute(f"DROP TABLE staging.rows_{read.id}", f"DROP TABLE staging.parents_{read.id}")
    plan = classes.plan("enrollments")
    assert plan.counts.absent == 1
    with classes.open() as context:
        again = replay(context, classes.source, read.id)
    assert (again.hash, again.counts.absent) == (plan.hash, 1)
    classes.apply("enrollments")
    assert classes.rows("SELECT to_regclass(%s)", f"staging.parents_{read.id}") == [(None,)]
    assert present(classes) == [True, False, True]
