"""A site with people in it: courses, assignments, submissions and grades that follow from a seed."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from connector_pipelines.connectors.moodle.simulator import courses, enrolling, grading, rubrics
from connector_pipelines.connectors.moodle.simulator.site import person

if TYPE_CHECKING:
    from connector_pipelines.connectors.moodle.simulator.site import Row, Site

_FIRST = ("Ada", "Børge", "Chloé", "Dmitri", "Eun-ji", "Fatima", "Grace", "Hugo")
_LAST = ("Lovelace", "Øst", "Müller", "Ivanov", "Kim", "Hassan", "Hopper", "O'Brien")
_SUBJECTS = ("Physics", "R&D lab", "History", "Statistics", "Ünicode & <3 signs")
_CRITERIA = {
    "Argument & evidence": ((0, "Missing"), (2.5, "<3 sources, or >1 of them cited twice"), (5, "3 sources or more")),
    "Language": ((0, "Hard to read"), (3, "Clear"), (4, "")),  # a level may have points and no name
    "Form": ((1, "Late"), (2, "In time")),
}
_REMARKS = ("", "", "<p>Well&nbsp;done</p>", "See me: R&D, page 3 < page 5")
_DAY = 86_400
_STUDENT = 5


@dataclass(frozen=True, slots=True)
class Size:
    """How much there is at the start."""

    students: int
    courses: int
    assignments: int


SCENARIOS = {"empty": Size(0, 0, 0), "small": Size(12, 3, 2), "school": Size(600, 40, 6)}


def fill(site: Site, size: Size, seed: int) -> None:
    """Put people, courses and their work into a site."""
    chance = Random(seed)
    for index in range(size.students):
        name = f"student{index + 1:04}"
        given, family = chance.choice(_FIRST), chance.choice(_LAST)
        seen = site.clock() - chance.randrange(30 * _DAY) if index % 5 else 0
        number = f"S{index + 1:05}"
        site.add(
            "users",
            **person(name, given, family, f"{name}@school.example", idnumber=number, firstaccess=seen, lastaccess=seen),
        )
    for index in range(size.courses):
        _course(site, size, index, chance)


def _course(site: Site, size: Size, index: int, chance: Random) -> None:
    short = f"C{index + 1:03}"
    given = {"fullname": f"{_SUBJECTS[index % len(_SUBJECTS)]} {index + 1}", "shortname": short, "categoryid": 1}
    (made,) = courses.create_courses(site, {"courses": [given | {"idnumber": short}]})
    course, first = made["id"], min(user["id"] for user in site["users"].values() if user["idnumber"])
    for place in range(size.students):
        if (place + index) % 3 == 0:
            one = {"roleid": 5, "userid": first + place, "courseid": course}
            enrolling.enrol(site, {"enrolments": [one]})
            row = site.enrolled(course)[first + place]
            site.enrol(course, first + place, row | {"lastaccess": site["users"][first + place]["lastaccess"]})
    for number in range(size.assignments):
        due = site.clock() + (number - 1) * 7 * _DAY
        module = grading.assignment(site, course, f"Homework {number + 1}", due=due, idnumber=f"{short}-H{number + 1}")
        _formed(site, module, number)
        for user in site.enrolled(course):
            if chance.random() < 0.7:  # noqa: PLR2004 -- a share
                grading.submit(site, module["instance"], user, attempt=0)
            if chance.random() < 0.5:  # noqa: PLR2004 -- a share
                one = {"userid": user, "grade": float(chance.randrange(40, 101))}
                grading.save(site, {"assignmentid": module["instance"], "grades": [one]})
                _assess(site, module, user)


def _formed(site: Site, module: Row, number: int) -> None:
    """Of each course the first homework has a rubric, the second is graded simply, the third by a marking guide."""
    if number == 0:
        rubrics.form(site, module["id"], _CRITERIA)
    elif number == 2:  # noqa: PLR2004 -- the third
        rubrics.form(site, module["id"], {}, method=rubrics.GUIDE)


def _assess(site: Site, module: Row, user: int) -> None:
    """Fill in the rubric of a homework for most who are graded; some criteria are left open or only remarked upon."""
    chance = Random(f"rubric:{module['id']}:{user}")
    if site["modules"][module["id"]].get("method") != rubrics.RUBRIC or chance.random() < 0.2:  # noqa: PLR2004 -- a share
        return
    (form,) = site.where("forms", module=module["id"])
    chosen: dict[int, tuple[int | None, str]] = {}
    for criterion in form["criteria"]:
        level, remark = chance.choice(criterion["levels"])["id"], chance.choice(_REMARKS)
        if chance.random() < 0.85:  # noqa: PLR2004 -- a share
            chosen[criterion["id"]] = (None if chance.random() < 0.1 else level, remark)  # noqa: PLR2004 -- a share
    rubrics.fill(site, form, user, chosen)


def work(site: Site, function: str, given: Row) -> None:
    """What happens in courses once people are enrolled: homework is given, handed in and graded, and they are seen.

    What a person does follows from course and person alone, so that enrolling somebody again changes nothing.
    """
    if function == "enrol_manual_enrol_users":
        for course in dict.fromkeys(one["courseid"] for one in given["enrolments"]):
            tasks = site.where("modules", course=course, modname="assign") or _tasks(site, course)
            for user, row in site.enrolled(course).items():
                if _STUDENT in row["roles"] and not row["suspended"] and not row["lastaccess"]:
                    _studies(site, course, user, tasks)


def _tasks(site: Site, course: int) -> list[Row]:
    due = site.clock() + 7 * _DAY
    tasks = [grading.assignment(site, course, f"Homework {number}", due=due) for number in (1, 2)]
    for number, task in enumerate(tasks):
        _formed(site, task, number)
    return tasks


def _studies(site: Site, course: int, user: int, tasks: list[Row]) -> None:
    """Look at the course, hand in most tasks, be graded for most of them; one in ten never comes."""
    chance = Random(f"{course}:{user}")
    if chance.random() < 0.1:  # noqa: PLR2004 -- a share
        return
    seen = site.clock()
    site.put("users", user, firstaccess=site["users"][user]["firstaccess"] or seen, lastaccess=seen)
    site.enrol(course, user, site.enrolled(course)[user] | {"lastaccess": seen})
    for task in tasks:
        if chance.random() < 0.8:  # noqa: PLR2004 -- a share
            grading.submit(site, task["instance"], user)
            if chance.random() < 0.8:  # noqa: PLR2004 -- a share
                one = {"userid": user, "grade": float(chance.randrange(40, 101))}
                grading.save(site, {"assignmentid": task["instance"], "grades": [one]})
                _assess(site, task, user)
