"""The gradebook, and assignments. A push says 0 for nearly everything; only reading back tells what stands there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connector_pipelines.connectors.moodle.simulator import refusals
from connector_pipelines.connectors.moodle.simulator.people import full_name

if TYPE_CHECKING:
    from connector_pipelines.connectors.moodle.simulator.site import Row, Site

DONE, LOCKED = 0, 4
SYNCBOT = 3

PUSH = {
    "source!": "text",
    "courseid!": "int",
    "component!": "raw",
    "activityid!": "int",
    "itemnumber!": "int",
    "grades": [{"studentid!": "int", "grade!": "float", "str_feedback": "text"}],
    "itemdetails": {
        "itemname": "alphanumext",
        "idnumber": "int",
        "gradetype": "int",
        "grademax": "float",
        "grademin": "float",
        "scaleid": "int",
        "deleted": "bool",
    },
}
ITEMS = {"courseid!": "int", "userid": "int", "groupid": "int"}
ASSIGNMENTS = {"courseids": ["int"], "capabilities": ["raw"], "includenotenrolledcourses": "bool"}
MARKS = {"assignmentids!": ["int"], "since": "int"}
SUBMISSIONS = {"assignmentids!": ["int"], "status": "raw", "since": "int", "before": "int"}
_EDITOR = {"text!": "raw", "format!": "int", "itemid": "int"}
SAVE = {
    "assignmentid!": "int",
    "applytoall!": "bool",
    "grades!": [
        {
            "userid!": "int",
            "grade!": "float",
            "attemptnumber!": "int",
            "addattempt!": "bool",
            "workflowstate!": "raw",
            "plugindata": {"assignfeedbackcomments_editor": _EDITOR},
        }
    ],
}


def assignment(site: Site, course: int, name: str, *, most: int = 100, due: int = 0, idnumber: str = "") -> Row:
    """Add an assignment with its course module and grade item; no function of the web services can."""
    return activity(site, course, name, modname="assign", most=most, due=due, idnumber=idnumber)


def activity(site: Site, course: int, name: str, **more: Any) -> Row:
    """Add a course module; one that is graded has an item in the gradebook."""
    usual = {"modname": "assign", "most": 100, "due": 0, "idnumber": ""} | more
    instance = 1 + sum(1 for known in site["modules"].values() if known["modname"] == usual["modname"])
    made = site.add("modules", course=course, name=name, instance=instance, changed=site.clock(), **usual)
    if usual["modname"] != "forum":
        site.add(
            "items",
            courseid=course,
            itemtype="mod",
            instance=instance,
            grademin=0,
            grademax=usual["most"],
            module=usual["modname"],
            cmid=made["id"],
            number=0,
            name=name,
            idnumber=usual["idnumber"],
        )
    return made


def push(site: Site, given: Row) -> object:
    """core_grades_update_grades: by course-module id. Clamped, for strangers, over an override: 0 all the same."""
    if given["component"] == "manual":
        raise refusals.RefusedError("dml_read_exception", "dmlreadexception", "Error reading from database")
    module = site["modules"].get(given["activityid"])
    if module is None or f"mod_{module['modname']}" != given["component"]:
        raise refusals.moodle("invalidcoursemodule", "Invalid course module ID")
    if module["course"] != given["courseid"]:
        return b"The instance of this module does not exist\n0"
    details = given.get("itemdetails", {})
    item = next((i for i in site.where("items", cmid=module["id"]) if i["number"] == given["itemnumber"]), None)
    if item is not None and details.get("deleted"):
        del site["items"][item["id"]]
        return DONE
    if item is None:
        item = site.add(
            "items",
            courseid=module["course"],
            itemtype="mod",
            instance=module["instance"],
            cmid=module["id"],
            module=module["modname"],
            number=given["itemnumber"],
            name=details.get("itemname"),
            idnumber=str(details.get("idnumber", "")),
            grademin=0,
            grademax=details.get("grademax", 100),
        )
    if item.get("locked"):
        return LOCKED
    for one in given.get("grades", ()):
        known = site["grades"].get((item["id"], one["studentid"]), {})
        if not known.get("overridden"):
            clamped = min(max(one["grade"], item["grademin"]), item["grademax"])
            site.put("grades", (item["id"], one["studentid"]), value=clamped, at=site.clock())
    return DONE


def override(site: Site, item: int, user: int, value: float) -> None:
    """What a teacher does in the gradebook: set a grade that pushes do not change."""
    site.put("grades", (item, user), value=value, at=site.clock(), overridden=True)


def items(site: Site, given: Row) -> Row:
    """gradereport_user_get_grade_items: the gradebook of one user, or of everybody who is enrolled."""
    course, user = given["courseid"], given.get("userid", 0)
    if course not in site["courses"]:
        raise refusals.missing("course")
    if user and user not in site["users"]:
        raise refusals.no_user()
    everybody = [user] if user else list(site.enrolled(course))
    return {"usergrades": [_book(site, course, one) for one in everybody], "warnings": []}


def _book(site: Site, course: int, user: int) -> Row:
    person = site["users"][user]
    inside = site.where("items", courseid=course)
    graded = [item for item in inside if item["itemtype"] == "mod"]
    values = [site["grades"].get((item["id"], user), {}) for item in graded]
    points = sum(item["grademax"] for item, held in zip(graded, values, strict=True) if held)
    total = next(item for item in inside if item["itemtype"] == "course")
    shown = [_item(item, held, points, total["instance"]) for item, held in zip(graded, values, strict=True)]
    return {
        "courseid": course,
        "courseidnumber": site["courses"][course]["idnumber"],
        "userid": user,
        "userfullname": full_name(person),
        "useridnumber": person["idnumber"],
        "maxdepth": 2,
        "gradeitems": [*shown, _item(total, _total(graded, values), None)],
    }


def _total(graded: list[Row], values: list[Row]) -> Row:
    """The course total: the sum of what is graded, out of what that could have been."""
    held = [(item, one) for item, one in zip(graded, values, strict=True) if one]
    if not held:
        return {"most": sum(item["grademax"] for item in graded)}
    latest = max(one["at"] for _, one in held)
    return {"value": sum(one["value"] for _, one in held), "at": latest, "most": sum(i["grademax"] for i, _ in held)}


def _item(item: Row, held: Row, points: float | None, category: int | None = None) -> Row:
    """One line of the report. `points` is what all graded items together could give; None for the total itself."""
    value, most = held.get("value"), held.get("most", item["grademax"])
    module = points is not None
    place = {"cmid": item["cmid"]} if module else {}
    weight = item["grademax"] / points if points and value is not None else None
    weights = (
        {} if weight is None else {"weightraw": number(round(weight, 5)), "weightformatted": f"{weight * 100:.2f} %"}
    )
    return {
        "id": item["id"],
        "itemname": item.get("name"),
        "itemtype": item["itemtype"],
        "itemmodule": item.get("module"),
        "iteminstance": item["instance"],
        "itemnumber": item.get("number"),
        "idnumber": item.get("idnumber"),
        "categoryid": category if module else None,
        "outcomeid": None,
        "scaleid": None,
        "locked": bool(item.get("locked")),
        **place,
        **weights,
        "graderaw": number(value),
        "gradedatesubmitted": None,
        "gradedategraded": held.get("at"),
        "gradehiddenbydate": False,
        "gradeneedsupdate": False,
        "gradeishidden": False,
        "gradeislocked": bool(item.get("locked")),
        "gradeisoverridden": bool(held.get("overridden")),
        "gradeformatted": "-" if value is None else f"{value:.2f}",
        "grademin": number(item["grademin"]),
        "grademax": number(most),
        "rangeformatted": f"{item['grademin']:g}&ndash;{most:g}",
        "percentageformatted": "-" if value is None or not most else f"{100 * value / most:.2f} %",
        "feedback": held.get("feedback", ""),
        "feedbackformat": _format(held),
    }


def _format(held: Row) -> int:
    if "feedback" in held:
        return 1
    return 0 if held.get("value") is None else 2


def number(value: float | None) -> float | None:
    """As PHP writes it: a whole number without a fraction."""
    return int(value) if value is not None and value == int(value) else value


def assignments(site: Site, given: Row) -> Row:
    """mod_assign_get_assignments: of courses the caller is in, or, if asked for, of all it may see."""
    courses, warnings = [], []
    for number in given.get("courseids", ()):
        if number not in site["courses"]:
            warnings.append(refusals.warning("course", number, "1", "No access rights in course context"))
        elif not given.get("includenotenrolledcourses") and SYNCBOT not in site.enrolled(number):
            said = "User is not enrolled or does not have requested capability"
            warnings.append(refusals.warning("course", number, "2", said))
        else:
            row = site["courses"][number]
            inside = [_assignment(one) for one in site.where("modules", course=number, modname="assign")]
            names = {"id": number, "fullname": row["fullname"], "shortname": row["shortname"]}
            courses.append(names | {"timemodified": row["timemodified"], "assignments": inside})
    return {"courses": courses, "warnings": warnings}


def _assignment(row: Row) -> Row:
    return {
        "id": row["instance"],
        "cmid": row["id"],
        "course": row["course"],
        "name": row["name"],
        "nosubmissions": 0,
        "submissiondrafts": 0,
        "duedate": row["due"],
        "allowsubmissionsfromdate": 0,
        "grade": row["most"],
        "timemodified": row["changed"],
        "completionsubmit": 0,
        "cutoffdate": 0,
        "teamsubmission": 0,
        "requireallteammemberssubmit": 0,
        "blindmarking": 0,
        "configs": [],
    }


def save(site: Site, given: Row) -> None:
    """mod_assign_save_grades: the assignment's own grade with its feedback, and the gradebook's with it."""
    module = next((m for m in site.where("modules", modname="assign") if m["instance"] == given["assignmentid"]), None)
    if module is None:
        raise refusals.missing("assign")
    item = site.where("items", cmid=module["id"])[0]
    for one in given["grades"]:
        key = (given["assignmentid"], one["userid"])
        mark = _mark(site, *key)
        feedback = one.get("plugindata", {}).get("assignfeedbackcomments_editor", {}).get("text")
        site.put("marks", key, **mark, value=one["grade"], at=site.clock())
        said = {} if feedback is None else {"feedback": feedback}
        if not site["grades"].get((item["id"], one["userid"]), {}).get("overridden"):
            site.put("grades", (item["id"], one["userid"]), value=one["grade"], at=site.clock(), **said)


def _mark(site: Site, instance: int, user: int) -> Row:
    """Which mark it is: an attempt that was not graded yet is given one of its own."""
    known, attempt = site["marks"].get((instance, user)), _attempt(site, instance, user)
    if known and known["attempt"] == attempt:
        return {}
    site.spent["marks"] += 1
    return {"number": site.spent["marks"], "attempt": attempt, "created": site.clock()}


def _attempt(site: Site, instance: int, user: int) -> int:
    """The latest attempt of somebody at an assignment; a grade needs none."""
    return int(site["attempts"].get((instance, user), {"latest": 0})["latest"])


def marks(site: Site, given: Row) -> Row:
    """mod_assign_get_grades: what the latest attempts at the assignments were given; pushes do not show here."""
    found, warnings = [], []
    for number in given["assignmentids"]:
        rows = [(user, row) for (place, user), row in site["marks"].items() if place == number]
        rows = [(user, row) for user, row in rows if row["attempt"] == _attempt(site, number, user)]
        rows = [(user, row) for user, row in rows if row["at"] >= given.get("since", 0)]
        if not rows:
            warnings.append(refusals.warning("assignment", number, "3", "No grades found"))
            continue
        listed = [
            {"id": row["number"], "userid": user, "attemptnumber": row["attempt"], "timecreated": row["created"]}
            | {"timemodified": row["at"], "grader": SYNCBOT, "grade": f"{row['value']:.5f}"}
            for user, row in rows
        ]
        found.append({"assignmentid": number, "grades": listed})
    return {"assignments": found, "warnings": warnings}


def submit(site: Site, instance: int, user: int, *, status: str = "submitted", attempt: int = 0) -> Row:
    """What a student does: hand something in."""
    site.put("attempts", (instance, user), latest=max(attempt, _attempt(site, instance, user)))
    return site.add(
        "submissions",
        assignment=instance,
        user=user,
        status=status,
        attempt=attempt,
        at=site.clock(),
    )


def submissions(site: Site, given: Row) -> Row:
    """mod_assign_get_submissions: those changed in a span of time."""
    found, warnings = [], []
    for number in given["assignmentids"]:
        rows = [row for row in site.where("submissions", assignment=number) if row["at"] >= given.get("since", 0)]
        if rows:
            found.append({"assignmentid": number, "submissions": [_submission(row) for row in rows]})
        else:
            warnings.append(refusals.warning("module", number, "3", "No submissions found"))
    return {"assignments": found, "warnings": warnings}


def _submission(row: Row) -> Row:
    return {
        "id": row["id"],
        "userid": row["user"],
        "attemptnumber": row["attempt"],
        "timecreated": row["at"],
        "timemodified": row["at"],
        "timestarted": None,
        "status": row["status"],
        "groupid": 0,
        "assignment": row["assignment"],
        "latest": 1,
        "plugins": [],
        "gradingstatus": "notgraded",
    }
