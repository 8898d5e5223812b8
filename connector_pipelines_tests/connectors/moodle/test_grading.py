"""Grades that are pushed, and what the gradebook makes of them."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from connector_pipelines.connectors.moodle.grading import Push, Verdict, course_module, sync_grades, verdict
from connector_pipelines.connectors.moodle.simulator import grading

if TYPE_CHECKING:
    from collections.abc import Callable

    from connector_pipelines.connectors.moodle.simulator import Simulator

pytestmark = pytest.mark.phase2


def push(user: int, points: str, module: int = 1) -> Push:
    """A grade in course 2."""
    return Push(2, module, user, Decimal(points))


def test_every_grade_has_its_verdict(simulator: Simulator, asked: Callable[..., Any]) -> None:
    """What is stored as pushed, capped, overridden and refused for strangers is told apart, grade by grade."""
    site = simulator.site
    inside = list(site.enrolled(2))
    stranger = next(user for user in site["users"] if user not in inside)
    (item,) = site.where("items", cmid=1)
    grading.override(site, item["id"], inside[3], 12)
    pushes = [push(inside[0], "87.5"), push(inside[1], "150"), push(inside[2], "-5"), push(inside[3], "50")]
    with asked() as moodle:
        assert course_module(moodle, 2, 1) == 1
        verdicts = sync_grades(moodle, [*pushes, push(stranger, "50")])
    told = [(verdicts[one].rule, verdicts[one].stands) for one in pushes]
    assert told == [("", Decimal("87.5")), ("capped", 100), ("capped", 0), ("overridden", 12)]
    assert verdicts[push(stranger, "50")].rule == "stranger"
    assert (item["id"], stranger) not in site["grades"]


def test_locked_items_and_foreign_activities(simulator: Simulator, asked: Callable[..., Any]) -> None:
    """A locked item, an activity of another course and one that is not there refuse all their grades."""
    site = simulator.site
    user = next(iter(site.enrolled(2)))
    elsewhere = next(module["id"] for module in site["modules"].values() if module["course"] != 2)
    (item,) = site.where("items", cmid=1)
    site.put("items", item["id"], locked=True)
    with asked() as moodle:
        verdicts = sync_grades(moodle, [push(user, "1"), push(user, "1", elsewhere), push(user, "1", 999)])
    assert [one.rule for one in verdicts.values()] == ["locked", "refused", "invalidcoursemodule"]


def test_grades_go_in_batches(simulator: Simulator, asked: Callable[..., Any]) -> None:
    """Grades of one activity share calls, and are read back together."""
    inside = list(simulator.site.enrolled(2))
    before = len(simulator.requests)
    with asked(batch_size=3) as moodle:
        verdicts = sync_grades(moodle, [push(user, "70") for user in inside])
    assert {one.rule for one in verdicts.values()} == {""}
    functions = [request.function for request in simulator.requests[before:]]
    assert functions.count("core_grades_update_grades") == -(-len(inside) // 3)
    assert functions.count("gradereport_user_get_grade_items") == 1


@pytest.mark.parametrize(
    ("item", "rule"),
    [
        (None, "missing"),
        ({"graderaw": None}, "missing"),
        ({"graderaw": "50.0"}, ""),
        ({"graderaw": 12, "grademin": 0, "grademax": 100}, "kept"),
        ({"graderaw": 40, "grademin": 0, "grademax": 40}, "capped"),
        ({"graderaw": 12, "gradeisoverridden": True}, "overridden"),
    ],
)
def test_verdicts(item: Any, rule: str) -> None:
    """What was read back decides, whatever the push said."""
    found = verdict(push(1, "50"), item)
    assert isinstance(found, Verdict)
    assert found.rule == rule
