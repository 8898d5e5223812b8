"""A site with people in it: courses, assignments, submissions and grades that follow from a seed."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from connector_pipelines.connectors.moodle.simulator import courses, enrolling, grading
from connector_pipelines.connectors.moodle.simulator.site import person

if TYPE_CHECKING:
    from connector_pipelines.connectors.moodle.simulator.site import Row, Site

_FIRST = ("Ada", "Børge", "Chloé", "Dmitri", "Eun-ji", "Fatima", "Grace", "Hugo")
_LAST = ("Lovelace", "Øst", "Müller", "Ivanov", "Kim", "Hassan", "Hopper", "O'Brien")
_SUBJECTS = ("Physics", "R&D lab", "History", "Statistics", "Ünicode & <3 signs")
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
        for user in site.enrolled(course):
            if chance.random() < 0.7:  # noqa: PLR2004 -- a share
                grading.submit(site, module["instance"], user, attempt=0)
            if chance.random() < 0.5:  # noqa: PLR2004 -- a share
                one = {"userid": user, "grade": float(chance.randrange(40, 101))}
                grading.save(site, {"assignmentid": module["instance"], "grades": [one]})


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
    return [grading.assignment(site, course, f"Homework {number}", due=due) for number in (1, 2)]


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
