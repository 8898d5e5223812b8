"""From core to a Moodle site: what is provisioned, what a second look changes, and what a lost answer does."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import pytest

from connector_pipelines.connectors.moodle import CONNECTOR
from connector_pipelines.connectors.moodle.config import MoodleConfig
from connector_pipelines.connectors.moodle.simulator import Simulator
from connector_pipelines.database.connection import connect
from connector_pipelines.errors import SyncError
from connector_pipelines.external.landing import Landing
from connector_pipelines.model import Source
from connector_pipelines.policy import SyncPolicy
from connector_pipelines.sync.context import Context
from connector_pipelines.sync.push import push

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from connector_pipelines.sync.whole import Outcome

TODAY = date(2026, 10, 1)
CORE = """
    INSERT INTO core.terms (id, title, start_date, end_date, status, parent_id) OVERRIDING SYSTEM VALUE VALUES
        (1, '2026/27', '2026-08-01', '2027-07-31', 'active', NULL),
        (2, 'Fall', '2026-08-15', '2026-12-20', 'active', 1), (3, 'Spring', '2027-01-10', '2027-06-10', 'active', 1);
    INSERT INTO core.courses (id, title, course_code, status) OVERRIDING SYSTEM VALUE VALUES
        (1, 'R&D "Lab" - d''été', 'RD', 'active'), (2, 'History', 'HIS', 'active'), (3, 'Empty', 'EMP', 'active');
    INSERT INTO core.sections (id, title, section_code, status, course_id, term_id) OVERRIDING SYSTEM VALUE VALUES
        (1, 'Lab A', 'RD-A', 'active', 1, 2), (2, 'Lab B', 'RD-B', 'active', 1, 2),
        (3, 'History', 'HIS-1', 'active', 2, 2),
        (4, 'Nowhere', 'NO', 'active', 3, NULL);
    INSERT INTO core.students (id, given_name, family_name, username, email, student_number, status)
        OVERRIDING SYSTEM VALUE VALUES
        (1, 'Ada', 'Lovelace', 'Ada', 'Ada@School.example', 'S1', 'active'),
        (2, 'Søren', 'Øst', NULL, 'soren@school.example', 'S2', 'active'),
        (3, 'No', 'Mail', 'nomail', NULL, 'S3', 'active');
    INSERT INTO core.instructors (id, given_name, family_name, username, email, staff_number, status)
        OVERRIDING SYSTEM VALUE VALUES (1, 'Grace', 'Hopper', 'ghopper', 'grace@school.example', 'T1', 'active');
    INSERT INTO core.enrollments (id, status, start_date, student_id, section_id) OVERRIDING SYSTEM VALUE VALUES
        (1, 'enrolled', '2026-09-01', 1, 1), (2, 'enrolled', NULL, 2, 2), (3, 'enrolled', NULL, 1, 3);
    INSERT INTO core.teaching_assignments (id, status, instructor_id, section_id) OVERRIDING SYSTEM VALUE VALUES
        (1, 'active', 1, 1), (2, 'active', 1, 2);
"""


@dataclass
class Campus:
    """Core with a few people, a site, and the way from one to the other."""

    url: str
    simulator: Simulator
    landing: Landing
    more: dict[str, Any] = field(default_factory=dict)

    def push(self, *entities: str, today: date = TODAY, **how: Any) -> dict[str, Outcome]:
        """Push; the last outcome of each export."""
        config = MoodleConfig.model_validate({"base_url": self.simulator.url, "max_retries": 0} | self.more)
        guard = {"limits": {"floor": 1_000}}
        names = [f"export/{export.entity}" for export in CONNECTOR.exports(config)]
        policy = SyncPolicy.model_validate({"exports": ("*",), "drops": names, "guard": guard})
        with connect(self.url) as connection:
            context = Context(connection, self.landing)
            source = Source("campus", CONNECTOR, config, policy)
            done = push(context, source, entities=entities or None, today=today, **how)
            return {outcome.entity.removeprefix("export/"): outcome for outcome in done}

    def execute(self, statement: Any) -> None:
        """Change core."""
        with connect(self.url) as connection:
            connection.execute(statement)

    def rows(self, statement: Any) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        with connect(self.url) as connection:
            return connection.execute(statement).fetchall()

    def letters(self) -> list[tuple[Any, ...]]:
        """Unsettled dead letters."""
        return self.rows(
            "SELECT entity, external_id, rule, reason FROM connector.dead_letters WHERE state <> 'resolved' ORDER BY id"
        )

    def user(self, username: str) -> dict[str, Any]:
        """A user of the site."""
        (found,) = self.simulator.site.where("users", username=username)
        return found

    def course(self, number: str) -> dict[str, Any]:
        """A course of the site, by its ID number."""
        (found,) = self.simulator.site.where("courses", idnumber=number)
        return found

    def enrolled(self, number: str) -> dict[str, dict[str, Any]]:
        """Who is in a course, by user name."""
        rows = self.simulator.site.enrolled(self.course(number)["id"])
        return {self.simulator.site["users"][user]["username"]: row for user, row in rows.items()}


@pytest.fixture
def campus(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Campus]:
    """Core and an empty site."""
    now = int(datetime.combine(TODAY, datetime.min.time(), UTC).timestamp())
    with Simulator(scenario="empty", clock=lambda: now) as simulator:
        monkeypatch.setenv("MOODLE_API_TOKEN", simulator.token)
        campus = Campus(database, simulator, Landing(str(tmp_path / "landing")))
        campus.execute(CORE)
        yield campus


def seconds(*day: int) -> int:
    """Midnight of a day, in Unix seconds."""
    return int(datetime(*day, tzinfo=UTC).timestamp())  # type: ignore[misc, arg-type]


def test_core_is_provisioned(campus: Campus) -> None:
    """Terms are nested categories, courses stand in them, sections are groups, people are users in lower case."""
    campus.push()
    site = campus.simulator.site
    categories = {row["name"]: row for row in site["categories"].values()}
    assert categories["Fall"]["parent"] == categories["2026/27"]["id"]
    lab = campus.course("courses/1@terms/2")
    assert (lab["fullname"], lab["shortname"]) == ('R&D "Lab" - d\'été', "RD Fall")
    assert (lab["startdate"], lab["enddate"]) == (seconds(2026, 8, 15), seconds(2026, 12, 21))
    assert lab["categoryid"] == categories["Fall"]["id"]
    assert sorted(row["shortname"] for row in site["courses"].values()) == ["HIS Fall", "RD Fall", "lab"]
    ada = campus.user("ada")
    assert (ada["email"], ada["idnumber"], ada["auth"]) == ("ada@school.example", "S1", "manual")
    inside = campus.enrolled("courses/1@terms/2")
    assert {name: row["roles"] for name, row in inside.items()} == {
        "ada": (5,),
        "soren@school.example": (5,),
        "ghopper": (3,),
    }
    assert (inside["ada"]["start"], inside["ada"]["end"]) == (seconds(2026, 9, 1), seconds(2026, 12, 21))
    members = {row["name"]: len(row["users"]) for row in site["groups"].values()}
    assert members == {"RD-A (sections/1)": 2, "RD-B (sections/2)": 2, "HIS-1 (sections/3)": 1}
    assert [letter[:3] for letter in campus.letters()] == [
        ("export/users", "students/3", "email is required"),
        ("export/groups", "sections/4", "waits"),
    ]


def test_a_second_push_writes_nothing(campus: Campus) -> None:
    """What stands there already is not sent again, compared or not."""
    campus.push()
    before = len(campus.simulator.ledger)
    campus.push()
    campus.push(compare=True)
    assert len(campus.simulator.ledger) == before


def test_sections_may_be_courses(campus: Campus) -> None:
    """With the other layout every section is a course of its own, and there are no groups."""
    campus.more = {"layout": "courses"}
    campus.push()
    assert sorted(row["idnumber"] for row in campus.simulator.site["courses"].values() if row["idnumber"]) == [
        "sections/1",
        "sections/2",
        "sections/3",
    ]
    assert set(campus.enrolled("sections/1")) == {"ada", "ghopper"}
    assert campus.simulator.site["groups"] == {}


def test_changes_are_sent_and_nothing_else(campus: Campus) -> None:
    """A new name is sent alone; what somebody set there beside our fields stays."""
    campus.push()
    ada = campus.user("ada")
    campus.simulator.site.put("users", ada["id"], department="Physics")
    campus.execute("UPDATE core.students SET family_name = 'Byron' WHERE id = 1")
    before = len(campus.simulator.ledger)
    campus.push()
    sent = [(effect.function, effect.params) for effect in campus.simulator.ledger[before:]]
    assert sent == [("core_user_update_users", {"users": [{"id": ada["id"], "lastname": "Byron"}]})]
    assert campus.user("ada")["department"] == "Physics"


def test_who_leaves_is_suspended(campus: Campus) -> None:
    """A dropped enrollment suspends with its dates and takes out of the group; coming back undoes it."""
    campus.push()
    campus.execute("UPDATE core.enrollments SET status = 'dropped' WHERE id = 1")
    campus.push()
    row = campus.enrolled("courses/1@terms/2")["ada"]
    assert (row["suspended"], row["start"], row["end"]) == (1, seconds(2026, 9, 1), seconds(2026, 12, 21))
    (lab_a,) = campus.simulator.site.where("groups", idnumber="sections/1")
    assert campus.user("ada")["id"] not in lab_a["users"]
    campus.execute("UPDATE core.enrollments SET status = 'enrolled' WHERE id = 1")
    campus.push()
    assert campus.enrolled("courses/1@terms/2")["ada"]["suspended"] == 0
    assert "enrol_manual_unenrol_users" not in {effect.function for effect in campus.simulator.ledger}


def test_courses_are_archived_when_their_term_ends(campus: Campus) -> None:
    """The day after the term its courses are hidden, not deleted, and nobody is unenrolled; users stay."""
    campus.push()
    campus.push(today=date(2026, 12, 20))
    assert campus.course("courses/1@terms/2")["visible"] == 1
    campus.push(today=date(2026, 12, 21))
    assert campus.course("courses/1@terms/2")["visible"] == 0
    assert campus.enrolled("courses/1@terms/2")["ada"]["suspended"] == 0
    assert campus.user("ada")["suspended"] == 0


def test_inactive_people_are_suspended(campus: Campus) -> None:
    """A person who is inactive in core may not log in there; the account stays, and is opened again with the person."""
    campus.push()
    campus.execute("UPDATE core.students SET status = 'inactive' WHERE id = 2")
    campus.push()
    assert campus.user("soren@school.example")["suspended"] == 1
    campus.execute("UPDATE core.students SET status = 'active' WHERE id = 2")
    campus.push()
    assert campus.user("soren@school.example")["suspended"] == 0


def test_who_is_there_already_is_linked(campus: Campus) -> None:
    """A user with the number, the name or the address is taken; one with another number waits for a person."""
    from connector_pipelines.connectors.moodle.simulator.site import person

    site = campus.simulator.site
    site.add("users", **person("alovelace", "Ada", "Lovelace", "ada@old.example", idnumber="S1"))
    site.add("users", **person("ghopper", "Grace", "Hopper", "other@school.example", idnumber="X9"))
    site.add("users", **person("so", "Søren", "Øst", "soren@school.example"))
    campus.push("users")
    assert campus.user("ada")["id"] == 4
    assert campus.user("soren@school.example")["id"] == 6
    assert len(site["users"]) == 6
    assert campus.user("ghopper")["idnumber"] == "X9"
    doubts = {letter[1] for letter in campus.letters()}
    assert doubts == {"students/3", "instructors/1"}


@pytest.mark.parametrize(
    "function",
    [
        "core_user_create_users",
        "core_course_create_categories",
        "core_course_create_courses",
        "core_group_create_groups",
        "enrol_manual_enrol_users",
        "core_group_add_group_members",
    ],
)
def test_lost_answers_leave_each_effect_once(campus: Campus, function: str) -> None:
    """An answer that is lost after the effect stops the push; the next one looks, and sends what is not there."""
    campus.simulator.set_faults([f"reset@1:{function}"])
    with pytest.raises(SyncError):
        campus.push()
    campus.simulator.clear_faults()
    campus.push()
    campus.push()
    site = campus.simulator.site
    assert Counter(row["username"] for row in site["users"].values()).most_common(1)[0][1] == 1
    assert len(site["courses"]) == 3
    assert len(site["groups"]) == 3
    assert len(site["categories"]) == 4
    created = [e for e in campus.simulator.ledger if "create" in e.function]
    names = [str(one) for effect in created for rows in effect.params.values() for one in rows]
    assert len(names) == len(set(names))
    before = len(campus.simulator.ledger)
    campus.push()
    assert len(campus.simulator.ledger) == before


def test_profile_fields_and_log_in(campus: Campus) -> None:
    """With an identity provider nobody is sent a password, and profile fields hold what the configuration says."""
    campus.more = {"auth_plugin": "oidc", "idnumber": "email", "profile_fields": {"sub": "number"}}
    campus.simulator.site.profile_fields = ("sub",)
    campus.push("users")
    (effect,) = campus.simulator.ledger
    first = effect.params["users"][0]
    assert "createpassword" not in first
    ada = campus.user("ada")
    assert (ada["auth"], ada["idnumber"], ada["customfields"]) == ("oidc", "Ada@School.example", {"sub": "S1"})
    assert [letter[0] for letter in campus.letters()] == ["export/users"]
