"""One function per endpoint of Moodle's web services. Parameters and results are in Moodle's own terms.

Reads that take a list are cut like writes. Times are Unix seconds, 0 for none.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from connector_pipelines.connectors.moodle import answers, wire
from connector_pipelines.connectors.moodle.calls import Moodle, ask, checked, connect
from connector_pipelines.connectors.moodle.writing import Creation, Effect, create, perform, update
from connector_pipelines.model import Health

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence

    from connector_pipelines.connectors.moodle.wire import Params

    Row = dict[str, Any]

__all__ = ["Moodle", "connect"]

SITE_COURSE = 1
"""The front page, which Moodle lists as a course."""

NEEDED = (
    "core_course_get_courses",
    "core_enrol_get_enrolled_users",
    "gradereport_user_get_grade_items",
    "mod_assign_get_assignments",
    "mod_assign_get_submissions",
)
"""What reading calls; the connection test names those that the site's service lacks."""

NEEDED_BY: Mapping[str, tuple[str, ...]] = {
    "rubric_scores": (
        "core_grading_get_definitions",
        "core_grading_get_gradingform_instances",
        "mod_assign_get_grades",
    ),
}
"""What reading an entity calls besides, which is read only where a source names it."""


def site_info(moodle: Moodle) -> Row:
    """core_webservice_get_site_info: who we are, and which functions our service has."""
    return answers.table(ask(moodle, "core_webservice_get_site_info"), "core_webservice_get_site_info")


def check(moodle: Moodle) -> Health:
    """Ask for the site's own description: proves address, token and service; names functions the service lacks."""
    started = time.monotonic()
    info = site_info(moodle)
    functions = answers.rows(info.get("functions", []), "core_webservice_get_site_info")
    has = {function.get("name") for function in functions}
    more = [name for entity, names in NEEDED_BY.items() if moodle.config.provides(entity) for name in names]
    missing = [name for name in (*NEEDED, *more) if name not in has]
    release = f", release {info['release']}" if info.get("release") else ""
    lacks = f"; its service lacks {', '.join(missing)}" if missing else ""
    detail = f"Moodle at {moodle.config.site} answers{release}{lacks}."
    return Health(ok=not missing, detail=detail, latency_seconds=time.monotonic() - started)


def users_by_field(moodle: Moodle, field: str, values: Iterable[object]) -> Iterator[Row]:
    """core_user_get_users_by_field: users by id, idnumber, username or email; several may share an idnumber.

    User names are asked for in lower case: capitals are an error there. An e-mail address must be spelled as it stands.
    """
    asked = [str(value).lower() if field == "username" else str(value) for value in values]
    rows = [{"value": value} for value in asked]
    for batch in wire.batches(rows, most_rows=moodle.config.batch, most_fields=moodle.config.max_fields, shared=1):
        params = {"field": field, "values": [row["value"] for row in batch]}
        yield from answers.rows(ask(moodle, "core_user_get_users_by_field", params), "core_user_get_users_by_field")


def users(moodle: Moodle, criteria: Sequence[tuple[str, str]]) -> list[Row]:
    """core_user_get_users: users that meet all criteria; `%` matches anything in e-mail and last name.

    Raises:
        Refused: a key it does not know: Moodle then lists everybody, with a warning.
    """
    params = {"criteria": [{"key": key, "value": value} for key, value in criteria]}
    return _listed(moodle, "core_user_get_users", params, "users")


def users_by_address(moodle: Moodle, email: str) -> list[Row]:
    """Users by e-mail address in whatever letters: the search for criteria minds no case, unlike the look-up by field.

    An underscore matches any character there, so that what comes is compared again.
    """
    return [user for user in users(moodle, [("email", email)]) if str(user.get("email", "")).lower() == email.lower()]


def courses(moodle: Moodle, ids: Sequence[int] | None = None) -> list[Row]:
    """core_course_get_courses: all courses, or some by id, without the front page. There is no paging."""
    params = None if ids is None else {"options": {"ids": list(ids)}}
    found = answers.rows(ask(moodle, "core_course_get_courses", params), "core_course_get_courses")
    return [course for course in found if course.get("id") != SITE_COURSE]


def courses_by_field(moodle: Moodle, field: str, value: object) -> list[Row]:
    """core_course_get_courses_by_field: courses by id, ids, shortname, idnumber or category."""
    return _listed(moodle, "core_course_get_courses_by_field", {"field": field, "value": value}, "courses")


def course_contents(moodle: Moodle, course: int) -> list[Row]:
    """core_course_get_contents: a course's sections with their modules: course-module ids and instances."""
    return answers.rows(ask(moodle, "core_course_get_contents", {"courseid": course}), "core_course_get_contents")


def categories(moodle: Moodle, criteria: Sequence[tuple[str, str]] = ()) -> list[Row]:
    """core_course_get_categories: course categories that meet all criteria."""
    params = {"criteria": [{"key": key, "value": value} for key, value in criteria]}
    return answers.rows(ask(moodle, "core_course_get_categories", params), "core_course_get_categories")


def course_groups(moodle: Moodle, course: int) -> list[Row]:
    """core_group_get_course_groups: the groups of a course."""
    found = ask(moodle, "core_group_get_course_groups", {"courseid": course})
    return answers.rows(found, "core_group_get_course_groups")


def group_members(moodle: Moodle, groups: Sequence[int]) -> dict[int, list[int]]:
    """core_group_get_group_members: user ids by group."""
    found = answers.rows(
        ask(moodle, "core_group_get_group_members", {"groupids": list(groups)}), "core_group_get_group_members"
    )
    return {group["groupid"]: list(group["userids"]) for group in found}


def users_courses(moodle: Moodle, user: int) -> list[Row]:
    """core_enrol_get_users_courses: the courses a user is enrolled in."""
    return answers.rows(ask(moodle, "core_enrol_get_users_courses", {"userid": user}), "core_enrol_get_users_courses")


def enrolled_users(moodle: Moodle, course: int, **options: object) -> Iterator[Row]:
    """core_enrol_get_enrolled_users: who is in a course, page by page, by id.

    Args:
        moodle: the site.
        course: its id.
        options: as Moodle names them: userfields="id,idnumber" (four times as fast), onlyactive=1, onlysuspended=1.
    """
    size, begin = moodle.config.page_size, 0
    while True:
        page = answers.rows(
            ask(moodle, "core_enrol_get_enrolled_users", enrolled_params(course, begin, size, **options)),
            "core_enrol_get_enrolled_users",
        )
        yield from page
        if len(page) < size:
            return
        begin += size


def enrolled_params(course: int, begin: int, size: int, **options: object) -> Params:
    """The parameters of one page of enrolled users."""
    paging = {"limitfrom": begin, "limitnumber": size, "sortby": "id"} | options
    return {"courseid": course, "options": [{"name": name, "value": value} for name, value in paging.items()]}


def assignments_params(courses: Sequence[int]) -> Params:
    """The parameters of the assignments of some courses, also where the web-service user is not enrolled."""
    return {"courseids": list(courses), "includenotenrolledcourses": True}


def assignments(moodle: Moodle, courses: Sequence[int]) -> list[Row]:
    """mod_assign_get_assignments: the assignments of courses, with course-module id and instance.

    Raises:
        Refused: the web-service user may not see one of the courses.
    """
    found = _listed(moodle, "mod_assign_get_assignments", assignments_params(courses), "courses")
    return [assignment for course in found for assignment in course["assignments"]]


def assignment_grades(moodle: Moodle, assignments: Sequence[int], since: int = 0) -> list[Row]:
    """mod_assign_get_grades: what each person's latest attempt was given; the gradebook may say otherwise."""
    params = {"assignmentids": list(assignments), "since": since or None}
    return _listed(moodle, "mod_assign_get_grades", params, "assignments")


def grading_areas(moodle: Moodle, modules: Sequence[int]) -> list[Row]:
    """core_grading_get_definitions: how the assignments of course modules are graded, with each form that was defined.

    `activeonly` is left out: with it a call that names one assignment without a form is refused whole.

    Raises:
        Refused: the web-service user may not see one of the forms.
    """
    params = {"cmids": list(modules), "areaname": "submissions"}
    return _listed(moodle, "core_grading_get_definitions", params, "areas")


def get_course_grades(moodle: Moodle, course_id: int, user_id: int = 0) -> list[Row]:
    """gradereport_user_get_grade_items: a course's gradebook, for one user or for all (requirement M28)."""
    params = {"courseid": course_id, "userid": user_id}
    return _listed(moodle, "gradereport_user_get_grade_items", params, "usergrades")


def create_users(moodle: Moodle, users: Iterable[Params]) -> Iterator[Effect]:
    """core_user_create_users: all or nothing per call; a row that stands already is refused, never changed."""
    return create(moodle, _USERS, users)


def create_user(moodle: Moodle, user_data: Params) -> Row:
    """Create one user (requirement M23).

    Returns:
        id and username.

    Raises:
        Refused: Moodle did not do it; `invalidparameter` may mean that the user name or e-mail address is taken.
    """
    return {"id": _one(create_users(moodle, [user_data])).id, "username": user_data["username"]}


def update_users(moodle: Moodle, users: Iterable[Params]) -> Iterator[Effect]:
    """core_user_update_users: each row by itself."""
    return update(moodle, "core_user_update_users", "users", users)


def update_user(moodle: Moodle, user_id: int, user_data: Params) -> Row:
    """Change one user (requirement M24).

    Returns:
        its id.

    Raises:
        Refused: Moodle did not do it.
    """
    return {"id": _one(update_users(moodle, [{"id": user_id} | user_data])).id}


def create_courses(moodle: Moodle, courses: Iterable[Params]) -> Iterator[Effect]:
    """core_course_create_courses: all or nothing per call. Dates that are not said would be today and in a year."""
    return create(moodle, _COURSES, courses)


def create_course(moodle: Moodle, course_data: Params) -> Row:
    """Create one course (requirement M25).

    Returns:
        id and shortname.

    Raises:
        Refused: Moodle did not do it; a short name or number that is taken means that the course stands already.
    """
    return {"id": _one(create_courses(moodle, [course_data])).id, "shortname": course_data["shortname"]}


def update_courses(moodle: Moodle, courses: Iterable[Params]) -> Iterator[Effect]:
    """core_course_update_courses: each row by itself. `visible: 0` archives."""
    return update(moodle, "core_course_update_courses", "courses", courses)


def create_categories(moodle: Moodle, categories: Iterable[Params]) -> Iterator[Effect]:
    """core_course_create_categories: all or nothing per call; give each an idnumber, by which it is found again."""
    return create(moodle, _CATEGORIES, categories)


def update_categories(moodle: Moodle, categories: Iterable[Params]) -> Iterator[Effect]:
    """core_course_update_categories: all or nothing per call, without an answer."""
    rows = list(categories)
    told = perform(moodle, "core_course_update_categories", "categories", rows)
    return (Effect(row["id"], effect.refused) for row, effect in zip(rows, told, strict=True))


def create_groups(moodle: Moodle, groups: Iterable[Params]) -> Iterator[Effect]:
    """core_group_create_groups: all or nothing per call; give each an idnumber, by which it is found again."""
    return create(moodle, _GROUPS, groups)


def add_group_members(moodle: Moodle, members: Iterable[Params]) -> Iterator[Effect]:
    """core_group_add_group_members: enrolled users alone; adding one twice does no harm."""
    return perform(moodle, "core_group_add_group_members", "members", members)


def remove_group_members(moodle: Moodle, members: Iterable[Params]) -> Iterator[Effect]:
    """core_group_delete_group_members: takes users out of groups."""
    return perform(moodle, "core_group_delete_group_members", "members", members)


@dataclass(frozen=True, slots=True)
class Enrolment:
    """One user in one course with one role.

    Nothing can be left out: enrolling again without times sets both to "none".

    Attributes:
        role: Moodle's number of the role.
        start, end: Unix seconds, 0 for none.
        suspended: still listed, and locked out.
    """

    user: int
    course: int
    role: int
    start: int
    end: int
    suspended: bool = False

    @property
    def row(self) -> Params:
        """As it is sent."""
        names = {"roleid": self.role, "userid": self.user, "courseid": self.course}
        return names | {"timestart": self.start, "timeend": self.end, "suspend": self.suspended}


def enroll_users(moodle: Moodle, enrolments: Iterable[Enrolment]) -> Iterator[Effect]:
    """enrol_manual_enrol_users: enrol, or change an enrolment. Another role is added to the one that is there."""
    return perform(moodle, "enrol_manual_enrol_users", "enrolments", (enrolment.row for enrolment in enrolments))


def enroll_user(moodle: Moodle, user_id: int, course_id: int, role: str, *, start: int = 0, end: int = 0) -> bool:
    """Enrol one user (requirement M26).

    Args:
        moodle: the site.
        user_id: whom.
        course_id: where.
        role: a name of the configuration's `roles`.
        start: Unix seconds, 0 for none.
        end: Unix seconds, 0 for none.

    Returns:
        whether Moodle did it.

    Raises:
        ConfigurationError: there is no such role.
    """
    enrolment = Enrolment(user_id, course_id, moodle.config.role(role), start, end)
    return next(enroll_users(moodle, [enrolment])).refused is None


def unenroll_users(moodle: Moodle, pairs: Iterable[tuple[int, int]]) -> Iterator[Effect]:
    """enrol_manual_unenrol_users: takes users out of courses, in all their roles, with their grades.

    Args:
        moodle: the site.
        pairs: user and course.
    """
    rows = [{"userid": user, "courseid": course} for user, course in pairs]
    return perform(moodle, "enrol_manual_unenrol_users", "enrolments", rows)


def _users_there(moodle: Moodle, rows: Sequence[Params]) -> Mapping[Hashable, int]:
    return {user["username"]: user["id"] for user in users_by_field(moodle, "username", (r["username"] for r in rows))}


def _courses_there(moodle: Moodle, rows: Sequence[Params]) -> Mapping[Hashable, int]:
    """By short name: one call for each, or one for the whole list, which is slow on a large site."""
    if len(rows) > 1:
        return {course["shortname"]: course["id"] for course in courses(moodle)}
    found = courses_by_field(moodle, "shortname", rows[0]["shortname"])
    return {course["shortname"]: course["id"] for course in found}


def _categories_there(moodle: Moodle, _rows: Sequence[Params]) -> Mapping[Hashable, int]:
    return {category["idnumber"]: category["id"] for category in categories(moodle) if category.get("idnumber")}


def _groups_there(moodle: Moodle, rows: Sequence[Params]) -> Mapping[Hashable, int]:
    inside = dict.fromkeys(row["courseid"] for row in rows)
    found = [group for course in inside for group in course_groups(moodle, course)]
    return {(group["courseid"], group["idnumber"]): group["id"] for group in found}


_USERS = Creation("core_user_create_users", "users", lambda row: row["username"], _users_there)
_COURSES = Creation("core_course_create_courses", "courses", lambda row: row["shortname"], _courses_there)
_CATEGORIES = Creation("core_course_create_categories", "categories", lambda row: row["idnumber"], _categories_there)
_GROUPS = Creation("core_group_create_groups", "groups", lambda row: (row["courseid"], row["idnumber"]), _groups_there)


def _one(effects: Iterator[Effect]) -> Effect:
    """The only effect.

    Raises:
        Refused: nothing was done.
    """
    effect = next(effects)
    if effect.refused:
        raise effect.refused
    return effect


def _listed(moodle: Moodle, function: str, params: Params, name: str) -> list[Row]:
    """A list beside warnings.

    Raises:
        Refused: it warns.
        BrokenPage: it is no list, or a row lacks what we need.
    """
    answer = answers.table(ask(moodle, function, params), function)
    checked(function, answers.warnings(answer, function))
    return answers.rows(answer.get(name), function)
