"""How big a scenario is and how its people, classes and seats are numbered, so that each record follows from its index.

Everything hangs on the *cohort*: the students of one school, one grade and one house. All cohorts of a scenario have
the same size and take the same number of courses (*rounds*); in each round a cohort is dealt out to `sections` classes
of equal size. Numbers run cohort by cohort, so that a cohort's or a school's students, teachers and classes are one
range:

    students   [0, students)                      cohort g has [g * cohort_size, ...)
    teachers   [students, students + teachers)    cohort g has `teachers_per_cohort`
    staff      the rest of the users              `staff_per_school` each, then the district's
    classes    cohort g, round r, section j       (g * rounds + r) * sections + j
    seats      class c                            c * (class_size + 1): the teacher first, then the students

What is added by evolution (`evolution.py`) comes after these numbers.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np

from connector_pipelines.connectors.oneroster.simulator.hashing import Indices  # noqa: TC001  (a dataclass field)

ELEMENTARY = ("KG", "01", "02", "03", "04", "05")
MIDDLE = ("06", "07", "08")
HIGH = ("09", "10", "11", "12")


@dataclass(frozen=True, slots=True)
class Level:
    """One kind of school: its grades, how many cohorts share a grade, and how many such schools a feeder area has."""

    title: str
    grades: tuple[str, ...]
    houses: int = 1
    schools: int = 1


@dataclass(frozen=True, slots=True)
class Scenario:
    """The sizes that make a scenario; everything else follows."""

    name: str
    levels: tuple[Level, ...]
    cohort_size: int
    class_size: int
    rounds: int
    teachers_per_cohort: int
    staff_per_school: int
    district_staff: int
    co_teachers: int
    feeders: int = 1


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        # 200 users, 2 schools, 100 classes, 920 enrollments
        Scenario(
            "small",
            (Level("Elementary School", ELEMENTARY), Level("High School", HIGH)),
            cohort_size=16,
            class_size=8,
            rounds=5,
            teachers_per_cohort=3,
            staff_per_school=4,
            district_staff=2,
            co_teachers=20,
        ),
        # 1,000 users, one school, 240 classes, 5,800 enrollments
        Scenario(
            "school",
            (Level("High School", HIGH, houses=2),),
            cohort_size=115,
            class_size=23,
            rounds=6,
            teachers_per_cohort=8,
            staff_per_school=14,
            district_staff=2,
            co_teachers=40,
        ),
        # 100,000 users, 91 schools, 33,800 classes, 1,000,000 enrollments (requirement F64)
        Scenario(
            "district",
            (
                Level("Elementary School", ELEMENTARY, schools=4),
                Level("Middle School", MIDDLE, houses=2, schools=2),
                Level("High School", HIGH, houses=4),
            ),
            cohort_size=140,
            class_size=28,
            rounds=10,
            teachers_per_cohort=7,
            staff_per_school=6,
            district_staff=82,
            co_teachers=19_800,
            feeders=13,
        ),
        # 27 users, one school, 12 classes, 74 enrollments: for thousands of runs
        Scenario(
            "tiny",
            (Level("High School", ("09", "10")),),
            cohort_size=10,
            class_size=5,
            rounds=3,
            teachers_per_cohort=2,
            staff_per_school=2,
            district_staff=1,
            co_teachers=2,
        ),
    )
}


@dataclass(frozen=True, slots=True)
class School:
    """A school's place in the numbering: cohorts [first_cohort, last_cohort), course slots from `first_slot`."""

    number: int
    level: Level
    first_cohort: int
    last_cohort: int
    first_slot: int
    last_slot: int


@dataclass(frozen=True, slots=True)
class Shape:
    """A scenario laid out: counts, and which cohort belongs to which school and which slot (school and grade)."""

    scenario: Scenario
    schools: tuple[School, ...]
    cohort_school: Indices
    cohort_slot: Indices
    slot_school: tuple[int, ...]
    slot_grade: tuple[str, ...]
    units: tuple[int, ...]
    sections: int
    students: int
    teachers: int
    users: int
    courses: int
    classes: int
    seats: int
    enrollments: int

    @property
    def staff_first(self) -> int:
        """The first user who is neither student nor teacher."""
        return self.students + self.teachers

    @property
    def classes_per_cohort(self) -> int:
        """Classes of one cohort over all rounds."""
        return self.scenario.rounds * self.sections


def _schools(scenario: Scenario) -> tuple[School, ...]:
    levels = [level for _ in range(scenario.feeders) for level in scenario.levels for _ in range(level.schools)]
    schools = []
    cohort = slot = 0
    for number, level in enumerate(levels):
        cohorts, slots = len(level.grades) * level.houses, len(level.grades)
        schools.append(School(number, level, cohort, cohort + cohorts, slot, slot + slots))
        cohort, slot = cohort + cohorts, slot + slots
    return tuple(schools)


@functools.cache
def lay_out(name: str) -> Shape:
    """The shape of a scenario by name.

    Raises:
        ValueError: no such scenario.
    """
    if name not in SCENARIOS:
        raise ValueError(f"unknown scenario {name!r}; there are {', '.join(SCENARIOS)}")
    scenario = SCENARIOS[name]
    schools = _schools(scenario)
    cohorts = schools[-1].last_cohort
    students = cohorts * scenario.cohort_size
    teachers = cohorts * scenario.teachers_per_cohort
    sections = scenario.cohort_size // scenario.class_size
    classes = cohorts * scenario.rounds * sections
    seats = classes * (scenario.class_size + 1)
    return Shape(
        scenario=scenario,
        schools=schools,
        cohort_school=_repeated([s.number for s in schools], [s.last_cohort - s.first_cohort for s in schools]),
        cohort_slot=_repeated(
            list(range(schools[-1].last_slot)), [s.level.houses for s in schools for _ in s.level.grades]
        ),
        slot_school=tuple(s.number for s in schools for _ in s.level.grades),
        slot_grade=tuple(grade for s in schools for grade in s.level.grades),
        units=tuple(a for a in range(1, scenario.cohort_size) if math.gcd(a, scenario.cohort_size) == 1),
        sections=sections,
        students=students,
        teachers=teachers,
        users=students + teachers + len(schools) * scenario.staff_per_school + scenario.district_staff,
        courses=schools[-1].last_slot * scenario.rounds,
        classes=classes,
        seats=seats,
        enrollments=seats + scenario.co_teachers,
    )


def _repeated(values: list[int], times: list[int]) -> Indices:
    return np.repeat(np.array(values, dtype=np.int64), times)
