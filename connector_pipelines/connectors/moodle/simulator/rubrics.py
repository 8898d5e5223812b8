"""Rubrics: what assignments are graded by, and what was filled in for whom. No recording shows any of it (README, [U]).

What a teacher fills in again has new ids, and what it takes the place of is shown no more; nor is what waits to be
filled in again because the rubric was changed. It names a grade, never a person.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connector_pipelines.connectors.moodle.simulator import refusals
from connector_pipelines.connectors.moodle.simulator.grading import SYNCBOT, number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from connector_pipelines.connectors.moodle.simulator.site import Row, Site

    Levels = Sequence[tuple[float, str]]

RUBRIC, GUIDE = "rubric", "guide"
METHODS = (GUIDE, RUBRIC)
READY = 20
ACTIVE, OUTDATED = 1, 2
"""What was filled in counts, or waits for a teacher."""

DEFINITIONS = {"cmids!": ["int"], "areaname!": "alphanumext", "activeonly": "bool"}
INSTANCES = {"definitionid!": "int", "since": "int"}


def form(site: Site, module: int, criteria: Mapping[str, Levels], *, method: str = RUBRIC) -> Row:
    """Let an assignment be graded by a form; no function that we know of can.

    Args:
        site: the site.
        module: the course module of the assignment.
        criteria: points and name of each level, by what is looked at.
        method: a marking guide is none of ours.
    """
    listed = [
        {
            "id": _next(site, "criteria"),
            "sortorder": place,
            "description": said,
            "descriptionformat": 0,
            "levels": [
                {"id": _next(site, "levels"), "score": number(score), "definition": name, "definitionformat": 0}
                for score, name in levels
            ],
        }
        for place, (said, levels) in enumerate(criteria.items(), 1)
    ]
    site.put("modules", module, method=method)
    return site.add("forms", module=module, method=method, criteria=listed, created=site.clock(), changed=site.clock())


def fill(site: Site, form: Row, user: int, chosen: Mapping[int, tuple[int | None, str]]) -> Row:
    """Assess somebody who has a grade.

    Args:
        site: the site.
        form: what with.
        user: whom.
        chosen: by criterion the level, and what was written about it. A criterion that is not named is left open.
    """
    grade = site["marks"][site["modules"][form["module"]]["instance"], user]["number"]
    rows = [
        {"id": _next(site, "filled"), "criterionid": criterion, "levelid": level, "remark": remark, "remarkformat": 0}
        for criterion, (level, remark) in chosen.items()
    ]
    made = {"id": _next(site, "fillings"), "form": form["id"], "grade": grade, "status": ACTIVE}
    return site.put("fillings", (form["id"], grade), **made, at=site.clock(), rows=rows)


def _next(site: Site, name: str) -> int:
    site.spent[name] += 1
    return site.spent[name]


def definitions(site: Site, given: Row) -> Row:
    """core_grading_get_definitions: how each activity is graded, with every form it has; `activeonly` wants one."""
    areas = []
    for cmid in given["cmids"]:
        if cmid not in site["modules"]:
            raise refusals.missing("course_modules")
        method = site["modules"][cmid].get("method")
        if given.get("activeonly") and method is None:
            raise refusals.moodle("invalid_method_name")
        asked = (method,) if given.get("activeonly") else METHODS
        forms = [one for one in site.where("forms", module=cmid) if one["method"] in asked]
        place = {"cmid": cmid, "contextid": 20 + cmid, "component": "mod_assign", "areaname": given["areaname"]}
        areas.append(place | {"activemethod": method, "definitions": [_definition(one) for one in forms]})
    return {"areas": areas, "warnings": []}


def _definition(row: Row) -> Row:
    return {
        "id": row["id"],
        "method": row["method"],
        "name": "How it is graded",
        "description": "",
        "descriptionformat": 1,
        "status": READY,
        "copiedfromid": None,
        "timecreated": row["created"],
        "usercreated": SYNCBOT,
        "timemodified": row["changed"],
        "usermodified": SYNCBOT,
        "timecopied": 0,
        row["method"]: {f"{row['method']}_criteria": row["criteria"]},
    }


def instances(site: Site, given: Row) -> Row:
    """core_grading_get_gradingform_instances: what counts of what was filled in with a form."""
    row = site["forms"].get(given["definitionid"])
    if row is None:
        raise refusals.missing("grading_definitions")
    found = site.where("fillings", form=row["id"], status=ACTIVE)
    shown = [_instance(one, row["method"]) for one in found if one["at"] >= given.get("since", 0)]
    return {"instances": shown, "warnings": []}


def _instance(row: Row, method: str) -> dict[str, Any]:
    return {
        "id": row["id"],
        "raterid": SYNCBOT,
        "itemid": row["grade"],
        "rawgrade": None,
        "status": row["status"],
        "feedback": None,
        "feedbackformat": 0,
        "timemodified": row["at"],
        method: {"criteria": row["rows"]},
    }
