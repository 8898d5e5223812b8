"""The site without a network: a call comes in, a reply goes out, and what was done is written down."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from connector_pipelines.connectors.moodle.simulator import (
    courses,
    enrolling,
    grading,
    people,
    php,
    refusals,
    rubrics,
    spoil,
)
from connector_pipelines.connectors.moodle.simulator.faults import FAULTS
from connector_pipelines.connectors.moodle.simulator.params import checked
from connector_pipelines.simulating.exchange import Reply
from connector_pipelines.simulating.faults import Faults, Switchboard

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from connector_pipelines.connectors.moodle.simulator.site import Row, Site
    from connector_pipelines.simulating.exchange import Call
    from connector_pipelines.simulating.faults import Struck

PATH = "/webservice/rest/server.php"
MAX_INPUT_VARS = 5_000
"""Of PHP, as Moodle asks for it."""

RELEASE, VERSION = "4.5.6 (Build: 20250811)", "2024100706"
JSON, XML, HTML = "application/json", "application/xml; charset=utf-8", "text/html; charset=utf-8"
_CONTROL = ("wstoken", "wsfunction", "moodlewsrestformat", "moodlewssettingraw")

Run = Callable[["Site", "Row"], Any]
After = Callable[["Site", str, "Row"], None]

READS: Mapping[str, tuple[Any, Run]] = {
    "core_user_get_users_by_field": (people.BY_FIELD, people.by_field),
    "core_user_get_users": (people.FIND, people.find),
    "core_course_get_categories": (courses.FIND_CATEGORIES, courses.find_categories),
    "core_course_get_courses": (courses.COURSES, courses.courses),
    "core_course_get_courses_by_field": (courses.COURSES_BY_FIELD, courses.courses_by_field),
    "core_course_get_contents": (courses.CONTENTS, courses.contents),
    "core_group_get_course_groups": (courses.COURSE_GROUPS, courses.course_groups),
    "core_group_get_group_members": (courses.GROUP_MEMBERS, courses.group_members),
    "core_enrol_get_enrolled_users": (enrolling.USERS, enrolling.enrolled_users),
    "core_enrol_get_users_courses": (enrolling.COURSES, enrolling.users_courses),
    "gradereport_user_get_grade_items": (grading.ITEMS, grading.items),
    "mod_assign_get_assignments": (grading.ASSIGNMENTS, grading.assignments),
    "mod_assign_get_grades": (grading.MARKS, grading.marks),
    "mod_assign_get_submissions": (grading.SUBMISSIONS, grading.submissions),
    "core_grading_get_definitions": (rubrics.DEFINITIONS, rubrics.definitions),
    "core_grading_get_gradingform_instances": (rubrics.INSTANCES, rubrics.instances),
}
WRITES: Mapping[str, tuple[Any, Run]] = {
    "core_user_create_users": (people.CREATE, people.create),
    "core_user_update_users": (people.UPDATE, people.update),
    "core_user_delete_users": (people.DELETE, people.delete),
    "core_course_create_categories": (courses.CREATE_CATEGORIES, courses.create_categories),
    "core_course_update_categories": (courses.UPDATE_CATEGORIES, courses.update_categories),
    "core_course_create_courses": (courses.CREATE_COURSES, courses.create_courses),
    "core_course_update_courses": (courses.UPDATE_COURSES, courses.update_courses),
    "core_group_create_groups": (courses.CREATE_GROUPS, courses.create_groups),
    "core_group_add_group_members": (courses.MEMBERS, courses.add_members),
    "core_group_delete_group_members": (courses.MEMBERS, courses.remove_members),
    "enrol_manual_enrol_users": (enrolling.ENROL, enrolling.enrol),
    "enrol_manual_unenrol_users": (enrolling.UNENROL, enrolling.unenrol),
    "core_grades_update_grades": (grading.PUSH, grading.push),
    "mod_assign_save_grades": (grading.SAVE, grading.save),
}
FUNCTIONS = {**READS, **WRITES}
INFO = "core_webservice_get_site_info"


@dataclass(frozen=True, slots=True)
class Request:
    """One call as it was received. `error` is the errorcode of the answer, "" where there was none."""

    function: str
    params: Row
    fields: int
    error: str
    faults: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Effect:
    """A write that was done, whether or not its answer arrived."""

    function: str
    params: Row
    result: Any


def _no_token() -> refusals.RefusedError:
    return refusals.moodle("invalidtoken", "Invalid token - token not found")


EARLY: Mapping[str, tuple[int, bytes]] = {
    "cli-maintenance": (503, b"Back soon"),
    "rest-off": (403, b""),
    "html": (200, b"<!doctype html><html><body>Log in</body></html>"),
    "429": (429, b"Too many requests"),
    "500": (500, b"Internal error"),
    "moved": (303, b""),
}
MOVED = f"https://learning.example{PATH}"
NOTICE = b"<br />\n<b>Notice</b>:  Undefined index: grade in <b>/var/www/mod/quiz/lib.php</b> on line <b>42</b>\n"
_WEAK = "<div>Passwords must be at least 8 characters long.</div><div>Passwords must have at least 1 digit(s).</div>"
REFUSALS: Mapping[str, Callable[[], refusals.RefusedError]] = {
    "database-down": refusals.database_down,
    "invalid-token": _no_token,
    "access": refusals.access,
    "user-suspended": lambda: refusals.moodle(
        "wsaccessusersuspended", "Refused web service access for suspended username: syncbot"
    ),
    "html-code": lambda: refusals.moodle(_WEAK),
    "maintenance": lambda: refusals.moodle(
        "sitemaintenance", "The site is undergoing maintenance and is currently not available"
    ),
}


@dataclass(slots=True)
class Service:
    """A site that answers.

    Attributes:
        requests: every call so far.
        ledger: every write that was done, in order: what proves that an effect came once.
        after: what else happens at the site after each write, told the site, the function and its parameters.
    """

    site: Site
    token: str
    switchboard: Switchboard = field(default_factory=lambda: Switchboard(Faults(FAULTS)))
    requests: list[Request] = field(default_factory=list)
    ledger: list[Effect] = field(default_factory=list)
    after: list[After] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def answer(self, call: Call) -> Reply:
        """Answer a call, whatever happens, and write it down."""
        if call.path != PATH:
            return Reply(404, b"Not found", content_type=HTML)
        pairs = [*call.pairs, *parse_qsl(call.body.decode(), keep_blank_values=True)]
        with self.lock:
            function = dict(pairs).get("wsfunction", "")
            struck = self.switchboard.strike([function])
            most = struck.number("max-input-vars") if "max-input-vars" in struck else MAX_INPUT_VARS
            given = php.unfold(php.kept(pairs, most))
            control = {name: given.pop(name, "") for name in _CONTROL}
            for name, (status, body) in EARLY.items():
                if name in struck:
                    self._note(function, given, len(pairs), name, struck)
                    told = {"429": ("Retry-After", struck[name]), "moved": ("Location", MOVED)}.get(name)
                    return Reply(status, body, (told,) if told else (), HTML, struck=struck)
            return self._judged(control, given, len(pairs), struck)

    def _judged(self, control: Row, given: Row, fields: int, struck: Struck) -> Reply:
        function, error = control["wsfunction"], ""
        try:
            with self.site.transaction():
                result = spoil.spoilt(self._done(control, given, struck), struck)
        except refusals.RefusedError as refused:
            error, result = refused.code, refused.answer(debugging="debug" in struck)
        self._note(function, given, fields, error, struck)
        if isinstance(result, bytes):
            return Reply(200, result, content_type=JSON, struck=struck)
        if control["moodlewsrestformat"] != "json" or "xml" in struck:
            return Reply(200, _xml(result), content_type=XML, struck=struck)
        raw = control["moodlewssettingraw"] in {"1", "true"} and "escaped" not in struck
        body = php.as_json(result if raw else courses.escaped(result))
        return Reply(200, NOTICE + body if "php-notice" in struck else body, content_type=JSON, struck=struck)

    def _note(self, function: str, given: Row, fields: int, error: str, struck: Struck) -> None:
        self.requests.append(Request(function, given, fields, error, tuple(struck)))

    def _done(self, control: Row, given: Row, struck: Struck) -> Any:
        for name, refusal in REFUSALS.items():
            if name in struck:
                raise refusal()
        if control["wstoken"] != self.token:
            raise _no_token()
        function = control["wsfunction"]
        if function == INFO:
            return _info(list(FUNCTIONS))
        if not function:
            raise refusals.parameter("Missing required key in single structure: wsfunction")
        if function not in FUNCTIONS:
            asked = "SELECT * FROM {external_functions} WHERE name = ?\n[array (\n"  # as a debugged site shows it
            raise refusals.missing("external_functions", f"{asked}  0 => '{function}',\n)]")
        shape, run = FUNCTIONS[function]
        params = checked(shape, given)
        result = run(self.site, params)
        if function in WRITES:
            self.ledger.append(Effect(function, params, result))
            for happens in self.after:
                happens(self.site, function, params)
        return result


def _info(functions: Sequence[str]) -> Row:
    named = [{"name": name, "version": VERSION} for name in (INFO, *functions)]
    return {
        "sitename": "Lab Moodle",
        "username": "syncbot",
        "firstname": "Sync",
        "lastname": "Bot",
        "fullname": "Sync Bot",
        "lang": "en",
        "userid": 3,
        "siteurl": people.SITE,
        "functions": named,
        "downloadfiles": 0,
        "uploadfiles": 0,
        "release": RELEASE,
        "version": VERSION,
        "siteid": 1,
    }


def _xml(result: object) -> bytes:
    """What comes without `moodlewsrestformat`; only errors and empty lists of it were recorded."""
    head = '<?xml version="1.0" encoding="UTF-8" ?>\n'
    if isinstance(result, dict) and "errorcode" in result:
        inner = f"<ERRORCODE>{result['errorcode']}</ERRORCODE>\n<MESSAGE>{result['message']}</MESSAGE>\n"
        return f'{head}<EXCEPTION class="{result["exception"]}">\n{inner}</EXCEPTION>\n'.encode()
    keys = result if isinstance(result, dict) else {}
    lists = "".join(f'<KEY name="{name}"><MULTIPLE>\n</MULTIPLE>\n</KEY>\n' for name in keys)
    return f"{head}<RESPONSE>\n<SINGLE>\n{lists}</SINGLE>\n</RESPONSE>\n".encode()
