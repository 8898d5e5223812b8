"""The domain: courses, people and who is in which course. Everything follows from the seed; same seed, same bytes."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from connector_pipelines.connectors.google_classroom.simulator.gradebook import course_work, submission
from connector_pipelines.connectors.google_classroom.simulator.instants import stamp
from connector_pipelines.connectors.google_classroom.simulator.rubrics import rubrics_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

Record = dict[str, Any]

START = datetime(2026, 9, 1, 6, tzinfo=UTC)
SCENARIOS = {"tiny": (5, 24, 4), "small": (12, 60, 9), "domain": (150, 2_500, 110), "large": (2_000, 30_000, 1_200)}
"""Courses, students and teachers."""

ROSTERS = ("students", "teachers")
_STATES = ("ACTIVE", "ARCHIVED", "PROVISIONED", "DECLINED", "SUSPENDED")
_SUBJECTS = ("Biology", "Algebra", "World History", "English", "Français", "Chemistry", "Art", "Música")
_GIVEN = ("Ada", "Béla", "Chloë", "Dmitri", "Eun-ji", "Fatima", "Gwen", "Hiro", "Inés", "Jamal", "Kaja", "Łukasz")
_FAMILY = ("Lovelace", "Bartók", "O'Hara", "van Dijk", "Nguyễn", "Silva", "Müller", "Okafor", "Smith", "Ó Néill")
DOMAIN = "school.example"
_FIRST_USER = 100_000_000_000_000_000_000  # as long as Google's own, and beyond what a double keeps
_FIRST_COURSE = 730_000_000_000


class World:
    """A domain.

    Args:
        seed: another seed, other people and courses.
        scenario: tiny, small, domain or large.
        start: the instant everything was like this.

    Raises:
        ValueError: no such scenario.
    """

    def __init__(self, seed: int = 7, scenario: str = "small", start: datetime = START) -> None:
        if scenario not in SCENARIOS:
            raise ValueError(f"unknown scenario {scenario!r}; there are {', '.join(SCENARIOS)}")
        self.seed, self.scenario, self.now = seed, scenario, start
        self.version = 0
        self.courses: dict[str, Record] = {}
        self.people: dict[str, Record] = {}
        self.rosters: dict[str, dict[str, list[str]]] = {name: {} for name in ROSTERS}
        self.work: dict[str, list[Record]] = {}
        self.rubrics: dict[str, list[Record]] = {}
        self._dice = random.Random(f"{seed}:{scenario}")
        courses, students, teachers = SCENARIOS[scenario]
        self._teachers = [self.add_person(teaches=True) for _ in range(teachers)]
        self._students = [self.add_person() for _ in range(students)]
        for number in range(courses):
            self._fill(self.add_course(state=_STATES[number] if number < len(_STATES) else "ACTIVE"), number)

    def add_person(self, *, teaches: bool = False) -> str:
        """Somebody who is in no course yet; their id."""
        number = len(self.people)
        key = str(_FIRST_USER + self.seed * 10_000_000 + number)
        given, family = self._dice.choice(_GIVEN), self._dice.choice(_FAMILY)
        self.people[key] = {
            "id": key,
            "name": {"givenName": given, "familyName": family, "fullName": f"{given} {family}"},
            "emailAddress": f"user{number}@{DOMAIN}",
            "photoUrl": f"//lh3.example/{key}",
        } | ({"permissions": [{"permission": "CREATE_COURSE"}], "verifiedTeacher": True} if teaches else {})
        return key

    def add_course(self, *, state: str = "ACTIVE", owner: str | None = None) -> str:
        """A course with nobody in it but who owns it; its id."""
        number, dice = len(self.courses), self._dice
        key = str(_FIRST_COURSE + self.seed * 1_000_000 + len(self.courses) * 7)
        subject, owner = dice.choice(_SUBJECTS), owner or dice.choice(self._teachers)
        created = self.now - timedelta(days=30) + timedelta(minutes=number) if not self.version else self.now
        record = {
            "id": key,
            "name": f"{subject} {number}",
            "section": f"Period {number % 8 + 1}",
            "descriptionHeading": f"Welcome to {subject}",
            "room": str(100 + number),
            "ownerId": owner,
            "creationTime": stamp(created),
            "updateTime": stamp(created, number % 10),
            "enrollmentCode": f"code{number}",
            "courseState": state,
            "alternateLink": f"https://classroom.example/c/{key}",
            "teacherGroupEmail": f"teachers{number}@{DOMAIN}",
            "courseGroupEmail": f"course{number}@{DOMAIN}",
            "teacherFolder": {"id": f"folder{number}", "title": subject},
            "calendarId": f"calendar{number}",
            "gradebookSettings": {"calculationType": "TOTAL_POINTS", "displaySetting": "HIDE_OVERALL_GRADE"},
            "levels": f"{9 + number % 4}th grade",
            "subject": subject,
        } | ({"guardiansEnabled": True} if dice.random() < 0.5 else {})  # noqa: PLR2004 -- false is left out
        missing = ("section", "room", "levels", "subject", "descriptionHeading")
        self.courses[key] = {name: held for name, held in record.items() if name not in missing or dice.random() > 0.2}  # noqa: PLR2004 -- some have none
        self.rosters["students"][key], self.rosters["teachers"][key] = [], [owner]
        self.work[key] = [course_work(key, one, self.now) for one in range(4 - number % 4)]
        self.rubrics[key] = [rubric for work in self.work[key] for rubric in rubrics_of(work, self.seed)]
        return key

    def _fill(self, course: str, number: int) -> None:
        """A class of its size; one course is empty, and in one a teacher is a student."""
        dice = self._dice
        size = 0 if number == 1 else dice.randrange(5, min(38, len(self._students)))
        for key in dice.sample(self._students, size):
            self.join(course, key)
        if number == 0:
            self.join(course, next(one for one in self._teachers if one != self.courses[course]["ownerId"]))
        for key in dice.sample(self._teachers, dice.randrange(2)):
            self.join(course, key, "teachers")

    def join(self, course: str, person: str, roster: str = "students") -> None:
        """Put somebody into a course; who is in it stays where they are."""
        if person not in self.rosters[roster][course]:
            self.rosters[roster][course].append(person)

    def leave(self, course: str, person: str, roster: str = "students") -> None:
        """Take somebody out of a course.

        Raises:
            ValueError: they are not in it.
        """
        self.rosters[roster][course].remove(person)

    def change(self, course: str, at: datetime | None = None, **fields: object) -> None:
        """Change a course."""
        self.courses[course] |= fields | {"updateTime": stamp(at or self.now)}

    def rename(self, person: str, **names: str) -> None:
        """Give somebody another name."""
        name = self.people[person]["name"] | names
        name["fullName"] = f"{name['givenName']} {name['familyName']}"
        self.people[person] = self.people[person] | {"name": name}

    def remove_course(self, course: str) -> None:
        """Delete a course, and so its rosters."""
        del self.courses[course], self.work[course], self.rubrics[course]
        for rosters in self.rosters.values():
            del rosters[course]

    def listed(self) -> list[Record]:
        """All courses, the newest first."""
        return sorted(self.courses.values(), key=lambda one: (one["creationTime"], one["id"]), reverse=True)

    def roster(self, name: str, course: str) -> list[Record]:
        """Who is in a course."""
        return [{"courseId": course, "userId": key, "profile": self.people[key]} for key in self.rosters[name][course]]

    def below(self, name: str, course: str) -> list[Record]:
        """A part of a course: `students`, `teachers`, `courseWork`, `studentSubmissions` or `rubrics`."""
        match name:
            case "courseWork":
                return self.work[course]
            case "rubrics":
                return self.rubrics[course]
            case "studentSubmissions":
                there = self.rosters["students"][course]
                published = (one for one in self.work[course] if one["state"] == "PUBLISHED")
                return [handed for one in published for handed in self._handed(one, there)]
        return self.roster(name, course)

    def _handed(self, work: Record, people: Iterable[str]) -> list[Record]:
        rubrics = [one for one in self.rubrics[work["courseId"]] if one["courseWorkId"] == work["id"]]
        return [submission(work, person, self.seed, rubrics) for person in people]

    def expected(self, name: str) -> Iterator[Record]:
        """The truth: `courses`, or a part of all of them."""
        if name == "courses":
            yield from self.listed()
            return
        for course in self.courses:
            yield from self.below(name, course)

    def evolve(self, percent: float, at: datetime | None = None) -> None:
        """Go on: in a share of the courses somebody leaves and somebody comes, and a share of the people is renamed.

        Args:
            percent: of the courses, and of the people.
            at: when; a day later by default.

        Raises:
            ValueError: a share outside 0 to 100, or an instant before the current one.
        """
        then = at or self.now + timedelta(days=1)
        if not 0 <= percent <= 100 or then < self.now:  # noqa: PLR2004 -- percent
            raise ValueError("the share must be from 0 to 100 and the instant not before the current one")
        self.version, self.now = self.version + 1, then
        self._dice = random.Random(f"{self.seed}:{self.scenario}:{self.version}")
        for course in self._struck(self.courses, percent):
            self._move(course)
        for person in self._struck(self.people, percent):
            self.rename(person, familyName=f"{self._dice.choice(_FAMILY)}-{self.version}")
        if percent:
            newcomer = self.add_person()
            self._students.append(newcomer)
            self.join(self.add_course(), newcomer)

    def _struck(self, among: Mapping[str, Record], percent: float) -> list[str]:
        return self._dice.sample(sorted(among), max(1, round(len(among) * percent / 100)) if percent else 0)

    def _move(self, course: str) -> None:
        """Somebody leaves a course, somebody else comes, and it moves to another room."""
        there = self.rosters["students"][course]
        if there:
            self.leave(course, self._dice.choice(there))
        self.join(course, self._dice.choice(self._students))
        self.change(course, room=f"{self._dice.randrange(100, 999)}")
        if self.work[course]:
            changed = stamp(self.now)
            self.work[course][0] |= {"title": f"Homework, version {self.version}", "updateTime": changed}
        for rubric in self.rubrics[course]:
            rubric["criteria"][0] |= {"title": f"Thesis, version {self.version}"}
