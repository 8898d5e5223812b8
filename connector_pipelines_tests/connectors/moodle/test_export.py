"""From core to a Moodle site: what is provisioned, what a second look changes, and what a lost answer does."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from connector_pipelines.connectors.moodle.config import MoodleConfig
from connector_pipelines.connectors.moodle.simulator import grading
from connector_pipelines.connectors.moodle.simulator.site import person
from connector_pipelines.database.connection import connect
from connector_pipelines.errors import SyncError
from connector_pipelines.sync.figures import lacking

pytestmark = pytest.mark.phase2


def seconds(*day: int) -> int:
    """Midnight of a day, in Unix seconds."""
    return int(datetime(*day, tzinfo=UTC).timestamp())  # type: ignore[misc, arg-type]


def test_core_is_provisioned(campus: Any) -> None:
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


def test_a_second_push_writes_nothing(campus: Any) -> None:
    """What stands there already is not sent again, compared or not."""
    campus.push()
    before = len(campus.simulator.ledger)
    campus.push()
    campus.push(compare=True)
    assert len(campus.simulator.ledger) == before


def test_sections_may_be_courses(campus: Any) -> None:
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


def test_changes_are_sent_and_nothing_else(campus: Any) -> None:
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


def test_who_leaves_is_suspended(campus: Any) -> None:
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


LATE = """
    INSERT INTO core.enrollments (id, status, student_id, section_id) OVERRIDING SYSTEM VALUE VALUES
        (9, 'enrolled', 2, 3);
"""


@pytest.mark.parametrize("back", [False, True])
def test_nobody_is_put_into_a_group_before_the_course(campus: Any, *, back: bool) -> None:
    """Who came into core, or came back, after the enrolments were exported waits: Moodle would refuse, for good."""
    campus.push()
    if back:
        campus.execute("UPDATE core.enrollments SET status = 'dropped' WHERE id = 1")
        campus.push()
        campus.execute("UPDATE core.enrollments SET status = 'enrolled' WHERE id = 1")
    else:
        campus.execute(LATE)
    before = len(campus.simulator.ledger)
    early = campus.push("members")["members"].plan.counts
    assert (early.waiting, len(campus.simulator.ledger)) == (1, before)
    assert campus.push()["members"].verified
    name, group = ("ada", "sections/1") if back else ("soren@school.example", "sections/3")
    (found,) = campus.simulator.site.where("groups", idnumber=group)
    assert campus.user(name)["id"] in found["users"]
    assert [letter for letter in campus.letters() if letter[0] == "export/members"] == []


def test_groups_wait_for_no_enrolments_that_others_make(campus: Any) -> None:
    """Where the site enrols people itself, and that export is off, they are put into their groups at once."""
    campus.exports = ("categories", "users", "courses", "groups")
    campus.push()
    site = campus.simulator.site
    row = {"roles": (5,), "start": 0, "end": 0, "suspended": 0, "lastaccess": 0}
    site.enrol(campus.course("courses/1@terms/2")["id"], campus.user("ada")["id"], row)
    campus.exports += ("members",)
    campus.push("members")
    assert [group["idnumber"] for group in site["groups"].values() if campus.user("ada")["id"] in group["users"]] == [
        "sections/1"
    ]


def test_a_grade_waits_until_its_student_is_in_the_course(campus: Any) -> None:
    """It would be refused as a stranger's, and stay so, had it come into core after the enrolments were exported."""
    campus.more = {"final_grade_activity": "FINAL"}
    campus.push()
    course = campus.course("courses/2@terms/2")["id"]
    grading.assignment(campus.simulator.site, course, "Final grade", idnumber="FINAL")
    campus.execute(
        LATE,
        "INSERT INTO core.grades (grade_type, score, status, student_id, section_id)"
        " VALUES ('course_total', 90, 'active', 2, 3)",
    )
    assert campus.push("grades")["grades"].plan.counts.waiting == 1
    assert campus.push()["grades"].verified
    (item,) = campus.simulator.site.where("items", idnumber="FINAL")
    assert campus.simulator.site["grades"][item["id"], campus.user("soren@school.example")["id"]]["value"] == 90
    assert [letter for letter in campus.letters() if letter[0] == "export/grades"] == []


@pytest.mark.parametrize("layout", ["groups", "courses"])
def test_who_is_moved_leaves_the_place_before(campus: Any, layout: str) -> None:
    """An enrollment that names another section takes its person out of the group, or the course, of the one before."""
    campus.more = {"layout": layout}
    campus.push()
    campus.execute("UPDATE core.enrollments SET section_id = 2 WHERE id = 1")
    campus.push()
    ada, site = campus.user("ada")["id"], campus.simulator.site
    if layout == "groups":
        inside = {row["idnumber"] for row in site["groups"].values() if ada in row["users"]}
    else:
        inside = {
            f"sections/{n}" for n in (1, 2, 3) if campus.enrolled(f"sections/{n}").get("ada", {}).get("suspended") == 0
        }
    assert inside == {"sections/2", "sections/3"}


def test_courses_are_archived_when_their_term_ends(campus: Any) -> None:
    """The day after the term its courses are hidden, not deleted, and nobody is unenrolled; users stay."""
    campus.push()
    campus.push(today=date(2026, 12, 20))
    assert campus.course("courses/1@terms/2")["visible"] == 1
    campus.push(today=date(2026, 12, 21))
    assert campus.course("courses/1@terms/2")["visible"] == 0
    assert campus.enrolled("courses/1@terms/2")["ada"]["suspended"] == 0
    assert campus.user("ada")["suspended"] == 0


def test_past_terms_leave_no_letters(campus: Any) -> None:
    """What a first export finds of a term that is over is skipped; only a section without any term waits for one."""
    campus.more = {"final_grade_activity": "FINAL"}
    campus.execute(
        "INSERT INTO core.grades (grade_type, status, student_id, section_id, score)"
        " VALUES ('course_total', 'active', 1, 1, 90)"
    )
    done = campus.push(today=date(2027, 1, 10))
    assert done["enrolments"].plan.counts.skipped == done["enrolments"].plan.counts.fetched > 0
    assert [letter[:3] for letter in campus.letters()] == [
        ("export/users", "students/3", "email is required"),
        ("export/groups", "sections/4", "waits"),
    ]


def test_inactive_people_are_suspended(campus: Any) -> None:
    """A person who is inactive in core may not log in there; the account stays, and is opened again with the person."""
    campus.push()
    campus.execute("UPDATE core.students SET status = 'inactive' WHERE id = 2")
    campus.push()
    assert campus.user("soren@school.example")["suspended"] == 1
    campus.execute("UPDATE core.students SET status = 'active' WHERE id = 2")
    campus.push()
    assert campus.user("soren@school.example")["suspended"] == 0


def test_who_comes_back_changed_may_log_in(campus: Any) -> None:
    """Who was suspended and comes back with another name is readmitted by the same export that says the name."""
    campus.push("users")
    campus.execute("UPDATE core.students SET status = 'inactive' WHERE id = 2")
    campus.push("users")
    campus.execute("UPDATE core.students SET status = 'active', family_name = 'Holm' WHERE id = 2")
    assert campus.push("users")["users"].verified
    back = campus.user("soren@school.example")
    assert (back["suspended"], back["lastname"]) == (0, "Holm")


def test_who_is_there_already_is_linked(campus: Any) -> None:
    """A user with the number, the name or the address is taken; one with another number waits for a person."""
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


def test_an_address_in_capitals_is_found(campus: Any) -> None:
    """A user is taken whose address stands there with capitals, as in core; the letters alone are never written."""
    campus.simulator.site.add("users", **person("al", "Ada", "Lovelace", "Ada@School.example"))
    assert campus.push("users")["users"].verified
    ada = campus.user("ada")
    assert (ada["id"], ada["idnumber"], ada["email"]) == (4, "S1", "Ada@School.example")
    changes = [e.params["users"] for e in campus.simulator.ledger if e.function == "core_user_update_users"]
    assert changes == [[{"id": 4, "username": "ada", "idnumber": "S1"}]]
    before = len(campus.simulator.ledger)
    campus.push("users", compare=True)
    assert len(campus.simulator.ledger) == before


def test_capitals_cost_no_call(campus: Any) -> None:
    """Both spellings of an address are asked for at once; who has one spelling is asked for once."""
    campus.push("users")
    asked = [one.params for one in campus.simulator.requests if one.function == "core_user_get_users_by_field"]
    [addresses] = [one["values"] for one in asked if one["field"] == "email"]
    assert sorted(addresses.values() if isinstance(addresses, dict) else addresses) == [
        "Ada@School.example",
        "ada@school.example",
        "grace@school.example",
        "soren@school.example",
    ]


@pytest.mark.parametrize(
    ("fault", "rule"), [((), "email taken"), (("access:core_user_get_users",), "invalidparameter")]
)
def test_a_refusal_names_whose_address_it_is(campus: Any, fault: tuple[str, ...], rule: str) -> None:
    """Who stands there with capitals that core lacks is refused with that user's id, if our service may look it up."""
    campus.simulator.site.add("users", **person("so", "Søren", "Øst", "Soren@School.example"))
    campus.simulator.set_faults(list(fault))
    campus.push("users")
    [letter] = [letter for letter in campus.letters() if letter[1] == "students/2"]
    assert letter[2] == rule
    assert ("user 4 there has" in letter[3]) == (not fault)
    assert {row["username"] for row in campus.simulator.site["users"].values()} >= {"ada", "ghopper"}


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
def test_lost_answers_leave_each_effect_once(campus: Any, function: str) -> None:
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


def test_profile_fields_and_log_in(campus: Any) -> None:
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


FINAL = """
    INSERT INTO core.grades (id, grade_type, score, status, student_id, section_id) OVERRIDING SYSTEM VALUE VALUES
        (1, 'course_total', 87.50, 'active', 1, 1), (2, 'course_total', 150, 'active', 2, 2),
        (3, 'course_total', 60, 'active', 1, 3), (4, 'assignment_grade', 5, 'active', 1, 1);
"""


def test_final_grades_are_pushed_and_read_back(campus: Any) -> None:
    """Final grades go to the activity for them; one that is capped is told, and a course without the activity, too."""
    campus.more = {"final_grade_activity": "FINAL"}
    campus.push()
    lab = campus.course("courses/1@terms/2")["id"]
    grading.assignment(campus.simulator.site, lab, "Final grade", idnumber="FINAL")
    campus.execute(FINAL)
    campus.push("grades")
    (item,) = campus.simulator.site.where("items", idnumber="FINAL")
    held = {user: row["value"] for (place, user), row in campus.simulator.site["grades"].items() if place == item["id"]}
    assert held == {campus.user("ada")["id"]: 87.5, campus.user("soren@school.example")["id"]: 100}
    letters = {letter[1]: letter[2] for letter in campus.letters() if letter[0] == "export/grades"}
    assert letters == {"grades/2": "kept otherwise", "grades/3": "no activity"}
    before = len(campus.simulator.ledger)
    campus.push("grades")
    assert len(campus.simulator.ledger) == before
    campus.execute("UPDATE core.grades SET score = 90 WHERE id = 1")
    campus.push("grades")
    assert campus.simulator.site["grades"][item["id"], campus.user("ada")["id"]]["value"] == 90


OUTCOMES = """
    INSERT INTO core.assessments (id, title, status, section_id, learning_outcome, is_finalized, max_score)
        OVERRIDING SYSTEM VALUE VALUES (1, 'Essay', 'active', 1, 'W1', true, 20),
        (2, 'Exam', 'active', 1, 'W1', true, 20), (3, 'Talk', 'active', 2, 'S1', true, 20);
    INSERT INTO core.grades (id, grade_type, score, achievement, graded_at, status, student_id, assessment_id)
        OVERRIDING SYSTEM VALUE VALUES
        (1, 'assignment_grade', 9, 'Not Met', '2026-09-10T12:00Z', 'active', 1, 1),
        (2, 'assignment_grade', 15, 'Met', '2026-09-20T12:00Z', 'active', 1, 2),
        (3, 'assignment_grade', 15, 'Splendid', '2026-09-20T12:00Z', 'active', 2, 2),
        (4, 'assignment_grade', 20, 'Exceeded', '2026-09-20T12:00Z', 'active', 2, 3);
"""


@pytest.mark.parametrize("layout", ["groups", "courses"])
def test_outcomes_are_points_of_their_activity(campus: Any, layout: str) -> None:
    """What a student showed last of an outcome is pushed to the activity for it, as points of the level (G96, K33)."""
    campus.more = {"outcome_activities": "SLO-{outcome}", "layout": layout}
    campus.push()
    lab = campus.course("sections/1" if layout == "courses" else "courses/1@terms/2")["id"]
    grading.assignment(campus.simulator.site, lab, "Writing", idnumber="SLO-W1")
    campus.execute(OUTCOMES)
    campus.push("outcomes")
    (item,) = campus.simulator.site.where("items", idnumber="SLO-W1")
    assert campus.simulator.site["grades"][item["id"], campus.user("ada")["id"]]["value"] == 3
    letters = {letter[1]: letter[2] for letter in campus.letters() if letter[0] == "export/outcomes"}
    assert letters == {
        "outcomes/W1@sections/1@students/2": "MAPPING_ERROR: unknown outcome",
        "outcomes/S1@sections/2@students/2": "no activity",
    }
    before = len(campus.simulator.ledger)
    assert campus.push("outcomes", compare=True)["outcomes"].plan.counts.unchanged == 1
    assert len(campus.simulator.ledger) == before


@pytest.mark.parametrize("number", ["SLO", "{outcome}{outcome}", "{outcome}{0}"])
def test_activities_of_outcomes_name_the_outcome(number: str) -> None:
    """An ID number without the outcome's code, or with other braces, is a wrong configuration."""
    with pytest.raises(ValidationError, match="must hold"):
        MoodleConfig(outcome_activities=number)


@pytest.mark.parametrize(("plugin", "named"), [("oidc", True), ("saml2", True), ("manual", False)])
def test_who_has_no_name_at_the_identity_provider_is_named(campus: Any, plugin: str, *, named: bool) -> None:
    """Where people log in through an identity provider, who stands there without its name is named (M1, N9)."""
    campus.more = {"auth_plugin": plugin}
    campus.execute("UPDATE core.students SET student_number = NULL WHERE id = 2")
    campus.push("users")
    assert campus.user("soren@school.example")["idnumber"] == ""
    [users] = [export for export in campus.source().exports if export.entity == "users"]
    with connect(campus.url) as connection:
        found = lacking(connection, "campus", users)
    assert [(one.field, one.count, one.keys) for one in found] == ([("idnumber", 1, ("students/2",))] if named else [])
