"""A site's accounts, terms, courses, sections, people and enrollments, what they do there (`work.py`), and how all of
it changes. It follows from the seed; nothing is ever removed, but gets another state.

Records are as Canvas sends them, with numbers for ids; what begins with `_` is not sent. Every seventh person comes
from another shard, with an id beyond 2^53.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from connector_pipelines.connectors.canvas.simulator import work
from connector_pipelines.connectors.canvas.simulator.names import FAMILY, GIVEN, SUBJECTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Record = dict[str, Any]

DENVER = ZoneInfo("America/Denver")
START = datetime(2026, 9, 1, 8, tzinfo=UTC)
TABLES = ("accounts", "terms", "courses", "sections", "users", "enrollments", "assignments", "submissions")
SHARD = 4021 * 10**13
"""What is added to the ids of a shard to make them unique everywhere."""
ROOT = 1
STATES = ("active",) * 16 + ("invited", "creation_pending", "inactive", "completed", "rejected", "deleted")


@dataclass(frozen=True, slots=True)
class Scenario:
    """How large a site is.

    Attributes:
        gathered: how many students are in one course together, the first.
    """

    schools: int
    courses: int
    students: int
    teachers: int
    rounds: int
    gathered: int


SCENARIOS = {
    "tiny": Scenario(1, 3, 24, 3, 1, 24),
    "small": Scenario(4, 12, 260, 12, 2, 250),
    "college": Scenario(8, 160, 3_000, 120, 5, 1_200),
}


def stamp(at: datetime) -> str:
    """A time as Canvas writes it: UTC, whole seconds."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class World:
    """A site.

    Args:
        seed: another seed, other people; the same seed, the same bytes.
        scenario: tiny (24 students), small (260) or college (3,000).
        start: the instant everything was like this.

    Raises:
        ValueError: no such scenario.
    """

    def __init__(self, seed: int = 7, scenario: str = "small", start: datetime = START) -> None:
        if scenario not in SCENARIOS:
            raise ValueError(f"unknown scenario {scenario!r}; there are {', '.join(SCENARIOS)}")
        self.seed, self.scenario, self.start, self.now = seed, scenario, start, start
        self.size = SCENARIOS[scenario]
        self.version = 0
        self.tables: dict[str, dict[int, Record]] = {name: {} for name in TABLES}
        self._made: Counter[str] = Counter()
        self._dice = random.Random(f"{seed}:{scenario}")
        self._build()

    def rows(self, table: str) -> Iterator[Record]:
        """All records there ever were, in the order of their coming."""
        return iter(self.tables[table].values())

    def put(self, table: str, **fields: Any) -> Record:
        """Add a record, or change the one with that id; other fields stay."""
        known = self.tables[table]
        number = fields.get("id") or self._next(table)
        known[number] = known.get(number, {}) | {"id": number} | fields
        return known[number]

    def enroll(
        self, user: int, section: Record, kind: str, state: str = "active", at: datetime | None = None
    ) -> Record:
        """Put somebody into a section."""
        course, when = self.tables["courses"][section["course_id"]], stamp(at or self.now)
        return self.put(
            "enrollments",
            course_id=course["id"],
            course_section_id=section["id"],
            user_id=user,
            associated_user_id=None,
            type=kind,
            role=kind,
            role_id={"StudentEnrollment": 3, "TeacherEnrollment": 4, "TaEnrollment": 5}.get(kind, 6),
            enrollment_state=state,
            created_at=when,
            updated_at=when,
            start_at=None,
            end_at=None,
            last_activity_at=None,
            total_activity_time=0,
            limit_privileges_to_course_section=False,
            root_account_id=ROOT,
            sis_import_id=None,
        )

    def leave(self, user: int) -> None:
        """Delete a person, as an administrator does: with every enrollment."""
        self.put("users", id=user, _state="deleted")
        self._delete(one for one in list(self.rows("enrollments")) if one["user_id"] == user)

    def remove_course(self, course: int) -> None:
        """Delete a course, with its sections and enrollments."""
        self.put("courses", id=course, workflow_state="deleted")
        for section in [one for one in self.rows("sections") if one["course_id"] == course]:
            self.put("sections", id=section["id"], _state="deleted")
        self._delete(one for one in list(self.rows("enrollments")) if one["course_id"] == course)

    def change(self, enrollment: int, state: str) -> None:
        """Another state of an enrollment."""
        self.put("enrollments", id=enrollment, enrollment_state=state, updated_at=stamp(self.now))

    def evolve(self, percent: float, at: datetime | None = None) -> None:
        """Go on: people move, leave and come, enrollments begin and end, courses are renamed, concluded or deleted.

        Args:
            percent: of people, courses and enrollments.
            at: when; a day later by default.

        Raises:
            ValueError: a share outside 0 to 100, or an instant before the current one.
        """
        then = at or self.now + timedelta(days=1)
        if not 0 <= percent <= 100 or then < self.now:  # noqa: PLR2004 -- percent
            raise ValueError("the share must be from 0 to 100 and the instant not before the current one")
        self.version, self.now = self.version + 1, then
        dice = random.Random(f"{self.seed}:evolve:{self.version}")
        for one in _some(dice, list(self.rows("enrollments")), percent):
            self.change(one["id"], dice.choice(STATES[15:]))
        people = _some(dice, [one for one in self.rows("users") if one["_state"] == "active"], percent)
        for place, one in enumerate(people):
            if place % 8 == 7:  # noqa: PLR2004 -- a share
                self.leave(one["id"])
            else:
                self.put("users", id=one["id"], email=f"{one['login_id']}.v{self.version}@moved.example.org")
        for place, one in enumerate(_some(dice, [c for c in self.rows("courses") if _lives(c)][1:], percent)):
            self._move(one, place)
        self._arrive(dice, len(people) // 8)
        work.go_on(self, percent)

    def _move(self, course: Record, place: int) -> None:
        match place % 3:
            case 0:
                self.put("courses", id=course["id"], name=f"{course['name']} (rev. {self.version})")
            case 1:
                self.put("courses", id=course["id"], workflow_state="completed")
            case _:
                self.remove_course(course["id"])

    def _arrive(self, dice: random.Random, count: int) -> None:
        sections = [one for one in self.rows("sections") if one["_state"] == "active"]
        for _ in range(count):
            person = self._person("s", len(self.tables["users"]), dice)
            self.enroll(person["id"], dice.choice(sections), "StudentEnrollment")

    def _delete(self, enrollments: Iterator[Record]) -> None:
        for one in enrollments:
            if one["enrollment_state"] != "deleted":
                self.change(one["id"], "deleted")

    def _next(self, table: str) -> int:
        self._made[table] += 1
        number = self._made[table]
        return SHARD + number if table == "users" and number % 7 == 0 else number

    def _build(self) -> None:
        size, dice = self.size, self._dice
        self._accounts()
        self._terms()
        for number in range(size.courses):
            self._course(number)
        students = [self._person("s", number, dice)["id"] for number in range(size.students)]
        teachers = [self._person("t", number, dice)["id"] for number in range(size.teachers)]
        self._gather(students, teachers)
        work.begin(self)

    def _gather(self, students: Sequence[int], teachers: Sequence[int]) -> None:
        """Everybody's enrollments: a first course with many, and some rounds of the others."""
        size, dice, sections = self.size, self._dice, list(self.rows("sections"))
        first, others = sections[0], sections[1:]
        at = self.start - timedelta(days=30)
        for user in students[: size.gathered]:
            self.enroll(user, first, "StudentEnrollment", at=at)
        for user in students:
            for section in dice.sample(others, size.rounds):
                self.enroll(user, section, "StudentEnrollment", dice.choice(STATES), at)
        for place, section in enumerate(sections):
            self.enroll(teachers[place % len(teachers)], section, "TeacherEnrollment", at=at)
            if place % 3 == 0:
                self.enroll(students[-1 - place], section, "TaEnrollment", at=at)
            if place % 5 == 0:
                self.enroll(teachers[0], section, "DesignerEnrollment", at=at)
                self.enroll(students[place], section, "ObserverEnrollment", at=at)

    def _accounts(self) -> None:
        common = {"workflow_state": "active", "root_account_id": ROOT, "default_time_zone": "America/Denver"}
        top = {"uuid": "WvAHhY5FINzq5IyRIJybGeiXyFkG3SqHUPb7jZY5", "integration_id": None}
        site = {"name": "Springfield Consortium", "parent_account_id": None, "sis_account_id": None}
        self.put("accounts", **common | top | site | {"root_account_id": None})
        for number in range(1, self.size.schools + 1):
            parent = ROOT if number % 3 else number  # every third lies below the one before it
            name, sis = f"{FAMILY[number]} School", f"SCH-{number:03}"
            self.put("accounts", **common | {"name": name, "parent_account_id": parent, "sis_account_id": sis})

    def _terms(self) -> None:
        self.put("terms", name="Default Term", start_at=None, end_at=None, workflow_state="active", sis_term_id=None)
        for number, (name, begin) in enumerate((("Spring", (2026, 1, 12)), ("Fall", (2026, 8, 24)))):
            start = datetime(*begin, tzinfo=DENVER)
            end = start + timedelta(days=116, hours=23, minutes=59, seconds=59)  # by the clock on the wall
            span = {"start_at": stamp(start), "end_at": stamp(end)}
            self.put("terms", name=f"{name} 2026", workflow_state="active", sis_term_id=f"T{number + 1}", **span)
        gone = {"start_at": None, "end_at": None, "workflow_state": "deleted", "sis_term_id": "OLD"}
        self.put("terms", name="Planned, and never held", **gone)

    def _course(self, number: int) -> None:
        subject = SUBJECTS[number % len(SUBJECTS)]
        state = ("available", "available", "available", "unpublished", "completed")[number % 5]
        course = self.put(
            "courses",
            name=f"{subject} {number + 1}",
            account_id=2 + number % self.size.schools,
            uuid=f"c{self.seed}x{number}",
            start_at=None,
            end_at=None,
            course_code=f"{subject[:4].upper()}{number + 1:02}",
            root_account_id=ROOT,
            enrollment_term_id=1 + number % 3,
            workflow_state=state,
            sis_course_id=f"C-{number + 1:04}",
            integration_id=None,
            sis_import_id=12,
            created_at=stamp(self.start - timedelta(days=60)),
            time_zone="America/Denver",
        )
        for letter in "AB"[: 1 + number % 2]:
            self._section(course, letter)

    def _section(self, course: Record, letter: str) -> None:
        named = {"name": f"{course['name']} {letter}", "sis_section_id": f"{course['sis_course_id']}-{letter}"}
        span = {"start_at": None, "end_at": None, "nonxlist_course_id": None, "integration_id": None}
        self.put("sections", course_id=course["id"], **named, **span, _state="active")

    def _person(self, kind: str, number: int, dice: random.Random) -> Record:
        given, family = dice.choice(GIVEN), dice.choice(FAMILY)
        alone = number % 60 == 33  # noqa: PLR2004 -- few have one name alone
        login, name = f"{kind}{number + 1:05}", given if alone else f"{given} {family}"
        return self.put(
            "users",
            name=name,
            sortable_name=given if alone else f"{family}, {given}",
            short_name="Ace" if number % 40 == 7 else name,  # noqa: PLR2004 -- few have another name
            first_name=given,
            last_name=None if alone else family,
            created_at=stamp(self.start - timedelta(days=90)),
            sis_user_id=None if number % 50 == 9 else login.upper(),  # noqa: PLR2004 -- few are not in the SIS
            sis_import_id=None,
            integration_id=None,
            login_id=login,
            email=f"{login}@springfield.example",
            _state="active",
        )


def _lives(course: Record) -> bool:
    return bool(course["workflow_state"] != "deleted")


def _some(dice: random.Random, rows: list[Record], percent: float) -> list[Record]:
    return dice.sample(rows, round(len(rows) * percent / 100))
