"""Enrolments: an upsert that forgets dates it is not told, roles that add up, an unenrolment that ignores its role."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector_pipelines.connectors.moodle.simulator import refusals
from connector_pipelines.connectors.moodle.simulator.people import shown

if TYPE_CHECKING:
    from connector_pipelines.connectors.moodle.simulator.site import Row, Site

ROLES = {5: "student", 4: "teacher", 3: "editingteacher"}
"""Those that the web-service user may assign."""

_PAIR = {"userid!": "int", "courseid!": "int"}
ENROL = {"enrolments!": [{"roleid!": "int", "timestart": "int", "timeend": "int", "suspend": "int"} | _PAIR]}
UNENROL = {"enrolments!": [{"roleid": "int"} | _PAIR]}
USERS = {"courseid!": "int", "options": [{"name!": "raw", "value!": "raw"}]}
COURSES = {"userid!": "int", "returnusercount": "bool"}


def enrol(site: Site, given: Row) -> None:
    """enrol_manual_enrol_users: all or none."""
    for one in given["enrolments"]:
        course, user = one["courseid"], one["userid"]
        if course not in site["courses"]:
            raise refusals.parameter("Context does not exist")
        if one["roleid"] not in ROLES:
            said = f"You don't have the permission to assign this role ({one['roleid']}) to this user ({user})"
            raise refusals.moodle("wsusercannotassign", f"{said} in this course ({course}).")
        if not site["courses"][course]["manual"]:
            said = f"Manual enrolment plugin instance doesn't exist or is disabled for the course (id = {course})"
            raise refusals.moodle("wsnoinstance", said)
        _known(site, user)
        before = site.enrolled(course).get(user, {"roles": ()})
        row = {
            "roles": tuple(sorted({*before["roles"], one["roleid"]})),
            "start": one.get("timestart", 0),
            "end": one.get("timeend", 0),
            "suspended": one.get("suspend", 0),
            "lastaccess": before.get("lastaccess", 0),
        }
        site.enrol(course, user, row)


def _known(site: Site, user: int) -> None:
    if user not in site["users"]:
        raise refusals.no_user()
    if site["users"][user]["deleted"]:
        raise refusals.moodle("userdeleted")


def unenrol(site: Site, given: Row) -> None:
    """enrol_manual_unenrol_users: the user goes entirely, grades and groups, too, whatever role is named."""
    for one in given["enrolments"]:
        course, user = one["courseid"], one["userid"]
        if course not in site["courses"]:
            raise refusals.parameter("Context does not exist")
        if user not in site["users"]:
            raise refusals.no_user()
        site.enrol(course, user, None)
        items = {item["id"] for item in site.where("items", courseid=course)}
        for key in [key for key in site["grades"] if key[0] in items and key[1] == user]:
            del site["grades"][key]
        for group in site.where("groups", courseid=course):
            site.put("groups", group["id"], users=tuple(known for known in group["users"] if known != user))


def enrolled_users(site: Site, given: Row) -> list[Row]:
    """core_enrol_get_enrolled_users: by id, a page of them; neither status nor dates are in it."""
    course = given["courseid"]
    if course not in site["courses"]:
        raise refusals.missing("course")
    options = {one["name"]: one["value"] for one in given.get("options", ())}
    begin, size = int(options.get("limitfrom", 0)), int(options.get("limitnumber", 0))
    active = {user: _active(site, row) for user, row in site.enrolled(course).items()}
    only = {"onlyactive": True, "onlysuspended": False}
    kept = [
        user
        for user, is_active in active.items()
        if all(is_active is how for name, how in only.items() if options.get(name) == "1")
    ]
    fields = set(options["userfields"].split(",")) if "userfields" in options else None
    return [_listed(site, course, user, fields) for user in kept[begin : begin + size if size else None]]


def _active(site: Site, row: Row) -> bool:
    now = site.clock()
    return not row["suspended"] and row["start"] <= now and (not row["end"] or row["end"] > now)


def _listed(site: Site, course: int, user: int, fields: set[str] | None) -> Row:
    row = site.enrolled(course)[user]
    known = shown(site, site["users"][user])
    names = ("id", "username", "firstname", "lastname", "fullname", "email", "department", "idnumber")
    pictures = ("profileimageurlsmall", "profileimageurl")
    roles = [{"roleid": r, "name": "", "shortname": ROLES[r], "sortorder": 0} for r in row["roles"]]
    whole = (
        {name: known[name] for name in names if name in known}
        | {
            "firstaccess": known["firstaccess"],
            "lastaccess": known["lastaccess"],
            "lastcourseaccess": row["lastaccess"],
        }
        | {name: known[name] for name in pictures}
        | {"roles": roles}
    )
    if fields is None or "enrolledcourses" in fields:
        whole |= _courses(site, user)
    if fields is None:
        return whole
    return {name: value for name, value in whole.items() if name in {"id", "fullname", *fields}}


def _courses(site: Site, user: int) -> Row:
    """The courses in which a user is active; who is in none has no list."""
    inside = [course for course, rows in site["enrolments"].items() if user in rows and _active(site, rows[user])]
    names = ("id", "fullname", "shortname")
    listed = [{name: site["courses"][course][name] for name in names} for course in sorted(inside)]
    return {"enrolledcourses": listed} if listed else {}


def users_courses(site: Site, given: Row) -> list[Row]:
    """core_enrol_get_users_courses."""
    found = [course for course, rows in site["enrolments"].items() if given["userid"] in rows]
    return [
        {"id": row["id"], "shortname": row["shortname"], "fullname": row["fullname"], "displayname": row["fullname"]}
        | {"enrolledusercount": len(site.enrolled(row["id"])), "idnumber": row["idnumber"], "visible": row["visible"]}
        for row in (site["courses"][course] for course in sorted(found))
    ]
