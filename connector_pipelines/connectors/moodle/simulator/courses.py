"""Categories, courses and groups."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from connector_pipelines.connectors.moodle.simulator import refusals
from connector_pipelines.connectors.moodle.simulator.people import SITE

if TYPE_CHECKING:
    from connector_pipelines.connectors.moodle.simulator.site import Row, Site

YEAR = 31_536_000
LONGEST_NAME = 254

_CATEGORY = {"idnumber": "raw", "description": "raw", "descriptionformat": "int", "theme": "text"}
CREATE_CATEGORIES = {"categories!": [{"name!": "text", "parent": "int"} | _CATEGORY]}
UPDATE_CATEGORIES = {"categories!": [{"id!": "int", "name": "text", "parent": "int"} | _CATEGORY]}
FIND_CATEGORIES = {"criteria": [{"key!": "raw", "value!": "raw"}], "addsubcategories": "bool"}

_COURSE = {
    "idnumber": "raw",
    "summary": "raw",
    "summaryformat": "int",
    "format": "raw",
    "showgrades": "int",
    "newsitems": "int",
    "startdate": "int",
    "enddate": "int",
    "visible": "int",
    "groupmode": "int",
    "lang": "raw",
    "enablecompletion": "int",
    "customfields": [{"shortname!": "raw", "value!": "raw"}],
}
CREATE_COURSES = {"courses!": [{"fullname!": "text", "shortname!": "text", "categoryid!": "int"} | _COURSE]}
UPDATE_COURSES = {"courses!": [{"id!": "int", "fullname": "text", "shortname": "text", "categoryid": "int"} | _COURSE]}
COURSES = {"options": {"ids": ["int"]}}
COURSES_BY_FIELD = {"field": "raw", "value": "raw"}
CONTENTS = {"courseid!": "int", "options": [{"name!": "raw", "value!": "raw"}]}

CREATE_GROUPS = {
    "groups!": [
        {"courseid!": "int", "name!": "text", "description!": "raw", "descriptionformat": "int", "idnumber": "raw"}
    ]
}
MEMBERS = {"members!": [{"groupid!": "int", "userid!": "int"}]}
COURSE_GROUPS = {"courseid!": "int"}
GROUP_MEMBERS = {"groupids!": ["int"]}


def create_categories(site: Site, given: Row) -> list[Row]:
    """core_course_create_categories."""
    made = []
    for one in given["categories"]:
        number = one.get("idnumber", "")
        if one.get("parent", 0) and one["parent"] not in site["categories"]:
            raise refusals.moodle("unknowncategory")
        if number and site.where("categories", idnumber=number):
            raise refusals.moodle("categoryidnumbertaken", "ID number is already used for another category")
        usual = {"idnumber": "", "description": "", "parent": 0, "visible": 1, "timemodified": site.clock()}
        row = site.add("categories", **usual | one)
        made.append({"id": row["id"], "name": row["name"]})
    return made


def update_categories(site: Site, given: Row) -> None:
    """core_course_update_categories: all or none, without an answer."""
    for one in given["categories"]:
        if one["id"] not in site["categories"]:
            raise refusals.moodle("unknowncategory")
        site.put("categories", one["id"], **one | {"timemodified": site.clock()})


def find_categories(site: Site, given: Row) -> list[Row]:
    """core_course_get_categories: those that meet all criteria."""
    wanted = {one["key"]: one["value"] for one in given.get("criteria", ())}
    rows = [row for row in site["categories"].values() if all(str(row.get(k)) == v for k, v in wanted.items())]
    return [_category(site, row) for row in rows]


def _category(site: Site, row: Row) -> Row:
    above, path = row["parent"], f"/{row['id']}"
    while above:
        path, above = f"/{above}{path}", site["categories"][above]["parent"]
    return {
        "id": row["id"],
        "name": row["name"],
        "idnumber": row["idnumber"],
        "description": row["description"],
        "descriptionformat": 1,
        "parent": row["parent"],
        "sortorder": 10_000 * row["id"],
        "coursecount": len(site.where("courses", categoryid=row["id"])),
        "visible": row["visible"],
        "visibleold": row["visible"],
        "timemodified": row["timemodified"],
        "depth": path.count("/"),
        "path": path,
        "theme": "",
    }


def create_courses(site: Site, given: Row) -> list[Row]:
    """core_course_create_courses; dates that are not said are today's midnight and a year on."""
    made = []
    midnight = site.clock() // 86_400 * 86_400
    for one in given["courses"]:
        if not one["fullname"].strip():
            raise refusals.moodle("errorinvalidparam", 'The param "fullname" is invalid.')
        if one["categoryid"] not in site["categories"]:
            said = (
                f"You cannot execute functions in the category context (category id:{one['categoryid']}). The context"
            )
            raise refusals.moodle(
                "errorcatcontextnotvalid",
                f"{said} error message was: Invalid parameter value detected",
            )
        _unique(site, one, but=0)
        usual = {
            "idnumber": "",
            "summary": "",
            "summaryformat": 1,
            "format": "topics",
            "visible": 1,
            "manual": True,
            "startdate": midnight,
            "enddate": midnight + YEAR,
            "timecreated": site.clock(),
            "timemodified": site.clock(),
        }
        row = site.add("courses", **usual | one)
        totals = 1 + len(site.where("items", itemtype="course"))
        site.add("items", courseid=row["id"], itemtype="course", instance=totals, grademin=0, grademax=100)
        made.append({"id": row["id"], "shortname": row["shortname"]})
    return made


def _unique(site: Site, one: Row, *, but: int) -> None:
    """Refuse what is taken, too long or the wrong way round."""
    others = [row for row in site["courses"].values() if row["id"] != but]
    short, number = one.get("shortname"), one.get("idnumber")
    if any(row["shortname"] == short for row in others):
        raise refusals.moodle("shortnametaken", f"Short name is already used for another course ({short})")
    if number and any(row["idnumber"] == number for row in others):
        raise refusals.moodle("courseidnumbertaken", f"ID number is already used for another course ({number})")
    if len(one.get("fullname", "")) > LONGEST_NAME or len(short or "") > LONGEST_NAME:
        raise refusals.not_written()
    if one.get("enddate") and one.get("startdate") and one["enddate"] < one["startdate"]:
        raise refusals.moodle("enddatebeforestartdate", "The course end date must be after the start date.")


def update_courses(site: Site, given: Row) -> Row:
    """core_course_update_courses: what it cannot do is told, the rest is done. A summary may not be changed here."""
    warnings = []
    for one in given["courses"]:
        known = site["courses"].get(one["id"])
        try:
            if known is None:
                raise refusals.missing("course")
            if one.get("summary", known["summary"]) != known["summary"]:
                said = "Sorry, but you do not currently have permissions to do that (Change course summary)."
                raise refusals.moodle("nopermissions", said)
            _unique(site, known | one, but=one["id"])
        except refusals.RefusedError as refused:
            warnings.append(refusals.warning("course", one["id"], refused.code, refused.message))
        else:
            site.put("courses", one["id"], **one | {"timemodified": site.clock()})
    return {"warnings": warnings}


def courses(site: Site, given: Row) -> list[Row]:
    """core_course_get_courses: all of them, the front page last, or some."""
    ids = given.get("options", {}).get("ids")
    rows = [row for row in site["courses"].values() if ids is None or row["id"] in ids]
    return [_course(site, row) for row in sorted(rows, key=lambda row: (row["categoryid"] == 0, row["id"]))]


def _place(site: Site, row: Row) -> int:
    """Where a course stands in its category: the newest comes first."""
    newer = [one for one in site.where("courses", categoryid=row["categoryid"]) if one["id"] > row["id"]]
    return 10_000 * int(row["categoryid"]) + 1 + len(newer)


def _course(site: Site, row: Row) -> Row:
    """A course as the list shows it."""
    front = row["format"] == "site"
    sections = {"hiddensections": 1} if not front else {}
    options = [{"name": "hiddensections", "value": 1}, {"name": "coursedisplay", "value": 0}]
    return {
        "id": row["id"],
        "shortname": row["shortname"],
        "categoryid": row["categoryid"],
        "categorysortorder": _place(site, row),
        "fullname": row["fullname"],
        "displayname": row["fullname"],
        "idnumber": row["idnumber"],
        "summary": row["summary"],
        "summaryformat": row["summaryformat"],
        "format": row["format"],
        "showgrades": 1,
        "newsitems": 3 if front else 5,
        "startdate": row["startdate"],
        "enddate": row["enddate"],
        "numsections": int(front),
        "maxbytes": 0,
        "showreports": 0,
        "visible": row["visible"],
        **sections,
        "groupmode": 0,
        "groupmodeforce": 0,
        "defaultgroupingid": 0,
        "timecreated": row["timecreated"],
        "timemodified": row["timemodified"],
        "enablecompletion": int(not front),
        "completionnotify": 0,
        "lang": "",
        "forcetheme": "",
        "courseformatoptions": [{"name": "numsections", "value": 1}] if front else options,
        "showactivitydates": not front,
        "showcompletionconditions": None if front else True,
    }


def courses_by_field(site: Site, given: Row) -> Row:
    """core_course_get_courses_by_field."""
    name, value = str(given.get("field", "")), str(given.get("value", ""))
    if name not in {"", "id", "ids", "shortname", "idnumber", "category"}:
        raise refusals.parameter("Invalid field name")
    values = set(value.split(",")) if name == "ids" else {value}
    column = {"ids": "id", "category": "categoryid"}.get(name, name)
    rows = [row for row in site["courses"].values() if not name or str(row[column]) in values]
    return {"courses": [_found(site, row) for row in rows], "warnings": []}


def _found(site: Site, row: Row) -> Row:
    """A course as the search shows it."""
    category = site["categories"].get(row["categoryid"])
    filters = ("displayh5p", "activitynames", "mathjaxloader", "emoticon", "urltolink", "mediaplugin")
    options = [("hiddensections", 1), ("coursedisplay", 0), ("indentation", "1")]
    return {
        "id": row["id"],
        "fullname": row["fullname"],
        "displayname": row["fullname"],
        "shortname": row["shortname"],
        "courseimage": f"{SITE}/pluginfile.php/{row['id']}/course/generated/course.svg",
        "categoryid": row["categoryid"],
        "categoryname": category["name"] if category else "",
        "sortorder": _place(site, row),
        "summary": row["summary"],
        "summaryformat": row["summaryformat"],
        "summaryfiles": [],
        "overviewfiles": [],
        "showactivitydates": True,
        "showcompletionconditions": True,
        "contacts": [],
        "enrollmentmethods": ["manual"] if row["manual"] else [],
        "idnumber": row["idnumber"],
        "format": row["format"],
        "showgrades": 1,
        "newsitems": 5,
        "startdate": row["startdate"],
        "enddate": row["enddate"],
        "maxbytes": 0,
        "showreports": 0,
        "visible": row["visible"],
        "groupmode": 0,
        "groupmodeforce": 0,
        "defaultgroupingid": 0,
        "enablecompletion": 1,
        "completionnotify": 0,
        "lang": "",
        "theme": "",
        "marker": 0,
        "legacyfiles": 0,
        "calendartype": "",
        "timecreated": row["timecreated"],
        "timemodified": row["timemodified"],
        "requested": 0,
        "cacherev": row["timemodified"],
        "filters": [{"filter": name, "localstate": 0, "inheritedstate": 1} for name in filters],
        "courseformatoptions": [{"name": name, "value": value} for name, value in options],
    }


def escaped(answer: object) -> object:
    """Titles as they come without `moodlewssettingraw`."""
    if isinstance(answer, list):
        return [escaped(one) for one in answer]
    if not isinstance(answer, dict):
        return answer
    titles = {"fullname", "displayname", "name", "itemname", "definition", "remark"}
    return {k: escape(v, quote=False) if k in titles and isinstance(v, str) else escaped(v) for k, v in answer.items()}


def contents(site: Site, given: Row) -> list[Row]:
    """core_course_get_contents: one section with the course's modules."""
    if given["courseid"] not in site["courses"]:
        raise refusals.missing("course")
    modules = [_module(row) for row in site.where("modules", course=given["courseid"])]
    section = {"id": 1, "name": "General", "visible": 1, "summary": "", "summaryformat": 1, "section": 0}
    more = {"hiddenbynumsections": 0, "uservisible": True, "component": None, "itemid": None, "modules": modules}
    return [section | more]


def _module(row: Row) -> Row:
    forum = row["modname"] == "forum"
    icon = f"{SITE}/theme/image.php/boost/{row['modname']}/1/monologo?filtericon=1"
    return {
        "id": row["id"],
        "url": f"{SITE}/mod/{row['modname']}/view.php?id={row['id']}",
        "name": row["name"],
        "instance": row["instance"],
        "contextid": 20 + row["id"],
        "visible": 1,
        "uservisible": True,
        "visibleoncoursepage": 1,
        "modicon": icon,
        "modname": row["modname"],
        "purpose": "collaboration" if forum else "assessment",
        "branded": False,
        "modplural": "Forums" if forum else "Assignments",
        "availability": None,
        "indent": 0,
        "onclick": "",
        **{"afterlink": None} | ({"activitybadge": []} if forum else {}),
        "customdata": '{"trackingtype":"1"}' if forum else '""',
        "noviewlink": False,
        "completion": 0,
        "downloadcontent": 1,
        "dates": [],
        "groupmode": 0,
    }


def create_groups(site: Site, given: Row) -> list[Row]:
    """core_group_create_groups: names and numbers are unique within a course."""
    made = []
    for one in given["groups"]:
        inside = site.where("groups", courseid=one["courseid"])
        number = one.get("idnumber", "")
        if any(row["name"] == one["name"] for row in inside):
            raise refusals.parameter("Group with the same name already exists in the course")
        if number and any(row["idnumber"] == number for row in inside):
            raise refusals.moodle("idnumbertaken", "This ID number is already in use")
        kept = {name: one.get(name, "") for name in ("courseid", "name", "description", "idnumber")}
        made.append(_group(site.add("groups", **kept, users=()), key=""))
    return made


def _group(row: Row, *, key: str | None) -> Row:
    return {
        "id": row["id"],
        "courseid": row["courseid"],
        "name": row["name"],
        "description": row["description"],
        "descriptionformat": 1,
        "enrolmentkey": key,
        "idnumber": row["idnumber"],
        "visibility": 0,
        "participation": True,
    }


def course_groups(site: Site, given: Row) -> list[Row]:
    """core_group_get_course_groups."""
    if given["courseid"] not in site["courses"]:
        raise refusals.missing("course")
    return [_group(row, key=None) for row in site.where("groups", courseid=given["courseid"])]


def group_members(site: Site, given: Row) -> list[Row]:
    """core_group_get_group_members."""
    return [{"groupid": number, "userids": list(_group_row(site, number)["users"])} for number in given["groupids"]]


def _group_row(site: Site, number: int) -> Row:
    if number not in site["groups"]:
        raise refusals.missing("groups")
    return dict(site["groups"][number])


def add_members(site: Site, given: Row) -> None:
    """core_group_add_group_members: enrolled users alone; once more does no harm."""
    for one in given["members"]:
        group = _group_row(site, one["groupid"])
        if one["userid"] not in site.enrolled(group["courseid"]):
            raise refusals.parameter("Only enrolled users may be members of groups")
        site.put("groups", group["id"], users=tuple(dict.fromkeys((*group["users"], one["userid"]))))


def remove_members(site: Site, given: Row) -> None:
    """core_group_delete_group_members."""
    for one in given["members"]:
        group = _group_row(site, one["groupid"])
        site.put("groups", group["id"], users=tuple(user for user in group["users"] if user != one["userid"]))
