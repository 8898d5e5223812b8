"""What each address lists, and of that what a caller asks for (contract 2, "Endpoints that matter")."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from connector_pipelines.connectors.canvas.simulator import rubrics
from connector_pipelines.connectors.canvas.simulator.exchange import NOT_FOUND, RefusedError
from connector_pipelines.connectors.canvas.simulator.world import ROOT
from connector_pipelines.simulating.exchange import as_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from connector_pipelines.connectors.canvas.simulator.world import Record, World

    Asked = Mapping[str, Sequence[str]]

_STRICT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)")
KINDS = {"student": "StudentEnrollment", "teacher": "TeacherEnrollment", "ta": "TaEnrollment"}
SIS = {"accounts": "sis_account_id", "courses": "sis_course_id", "sections": "sis_section_id"}
USUAL_STATES = ("active", "invited")
ALL_BUT_DELETED = {
    "state[]": ("active", "invited", "creation_pending", "inactive", "completed", "rejected"),
    "type[]": ("StudentEnrollment",),
}
EVERYBODY = {"student_ids[]": ("all",)}
UNPUBLISHED = {"created", "claimed"}


@dataclass(frozen=True, slots=True)
class Site:
    """The world as its API shows it."""

    world: World

    def found(self, table: str, name: str) -> Record:
        """The record that a path names: by its id, by a SIS id, or an account as self.

        Raises:
            RefusedError: 404.
        """
        known = self.world.tables[table]
        if table == "accounts" and name == "self":
            return known[ROOT]
        sis, _, value = name.partition(":")
        rows = [one for one in known.values() if value and sis == SIS.get(table) and one[sis] == value]
        record = rows[0] if rows else known.get(int(name)) if name.isdecimal() else None
        gone = record is not None and "deleted" in (record.get("workflow_state"), record.get("_state"))
        if record is None or gone:
            raise RefusedError(NOT_FOUND)
        return record

    def listed(self, collection: str, owner: Record, asked: Asked) -> list[Record]:
        """The rows of a collection, in the order in which Canvas lists them.

        Raises:
            RefusedError: 400, it is of another account.
        """
        return LISTS[collection](self, owner, asked)

    def below(self, account: Record) -> list[Record]:
        """The accounts below one, at any depth."""
        children: defaultdict[Any, list[Record]] = defaultdict(list)
        for one in self.world.rows("accounts"):
            children[one["parent_account_id"]].append(one)
        found, todo = [], [account]
        while todo:
            here = children[todo.pop()["id"]]
            found += here
            todo += here
        return sorted(found, key=lambda one: int(one["id"]))

    def sub_accounts(self, owner: Record, asked: Asked) -> list[Record]:
        """Those below; with `recursive` at any depth."""
        deep = asked.get("recursive") == ["true"]
        return [one for one in self.below(owner) if deep or one["parent_account_id"] == owner["id"]]

    def terms(self, owner: Record, asked: Asked) -> list[Record]:
        """Of the root account; active ones unless another state is asked for."""
        if owner["id"] != ROOT:
            raise RefusedError(as_json(400, {"message": "Terms only belong to root_accounts."}))
        states = asked.get("workflow_state[]", ["active"])
        return [one for one in self.world.rows("terms") if "all" in states or one["workflow_state"] in states]

    def courses(self, owner: Record, asked: Asked) -> list[Record]:
        """Of an account and those below; all but deleted ones unless a state is asked for."""
        within = {owner["id"], *(one["id"] for one in self.below(owner))}
        states = set(asked.get("state[]", ["created", "claimed", "available", "completed"]))
        if states & UNPUBLISHED:
            states.add("unpublished")
        here = (one for one in self.world.rows("courses") if one["account_id"] in within)
        return [one for one in here if "all" in states or one["workflow_state"] in states]

    def users(self, owner: Record, asked: Asked) -> list[Record]:
        """Of an account: those who are there, and where a kind is asked for have such an enrollment, not deleted."""
        kinds = {KINDS.get(kind, "") for kind in asked.get("enrollment_type", ())}
        within = {one["id"] for one in self.courses(owner, {"state[]": ["all"]})}
        members = {
            one["user_id"]
            for one in self.world.rows("enrollments")
            if one["enrollment_state"] != "deleted"
            and one["course_id"] in within
            and (not kinds or one["type"] in kinds)
        }
        here = (one for one in self.world.rows("users") if one["_state"] == "active")
        found = [one for one in here if one["id"] in members or (not kinds and owner["id"] == ROOT)]
        mailed = "email" in asked.get("include[]", ())
        shown = found if mailed else [{name: one[name] for name in one if name != "email"} for one in found]
        return sorted(shown, key=_by_name)

    def sections(self, owner: Record, _asked: Asked) -> list[Record]:
        """Of a course; deleted ones are never shown."""
        rows = self.world.rows("sections")
        return [one for one in rows if one["course_id"] == owner["id"] and one["_state"] == "active"]

    def enrollments(self, owner: Record, asked: Asked) -> list[Record]:
        """Of a course or a section; those who are active or invited unless a state is asked for."""
        place = "course_section_id" if "course_id" in owner else "course_id"
        kinds, states = asked.get("type[]"), asked.get("state[]", USUAL_STATES)
        rows = (one for one in self.world.rows("enrollments") if one[place] == owner["id"])
        found = [one for one in rows if one["enrollment_state"] in states and (not kinds or one["type"] in kinds)]
        return sorted(map(self._with_user, found), key=lambda one: (one["type"], *_by_name(one["user"]), one["id"]))

    def assignments(self, owner: Record, _asked: Asked) -> list[Record]:
        """Of a course; deleted ones are never shown."""
        return [one for one in self.world.rows("assignments") if one["course_id"] == owner["id"]]

    def submissions(self, owner: Record, asked: Asked) -> list[Record]:
        """Of the caller, who has none, or of all students of a course, handed in or graded since a moment.

        Only what is published counts; who names another assignment is refused.

        Raises:
            RefusedError: 400, the moment is none; 403, no such assignment is published.
        """
        if "all" not in asked.get("student_ids[]", asked.get("student_ids", ())):
            return []
        since = {"submitted_at": _moment(asked, "submitted_since"), "graded_at": _moment(asked, "graded_since")}
        inside = {one["user_id"] for one in self.enrollments(owner, ALL_BUT_DELETED)}
        pieces = _published(self.assignments(owner, {}), asked.get("assignment_ids[]", ()))
        rows = (one for one in self.world.rows("submissions") if one["_course"] == owner["id"])
        found = [
            one
            for one in rows
            if one["user_id"] in inside
            and one["assignment_id"] in pieces
            and all(not at or (one[name] or "") >= at for name, at in since.items())
        ]
        return [rubrics.shown(one, asked="rubric_assessment" in asked.get("include[]", ())) for one in found]

    def _with_user(self, enrollment: Record) -> Record:
        user = self.world.tables["users"][enrollment["user_id"]]
        section = self.world.tables["sections"][enrollment["course_section_id"]]
        course = self.world.tables["courses"][enrollment["course_id"]]
        named = {name: user[name] for name in ("id", "name", "sortable_name", "short_name", "sis_user_id", "login_id")}
        sis = {"sis_course_id": course["sis_course_id"], "sis_section_id": section["sis_section_id"]}
        return enrollment | sis | {"sis_user_id": user["sis_user_id"], "user": named}

    def expected(self, collection: str) -> Iterator[Record]:
        """All that a client can find out: of each collection every row in every state that is shown to anybody.

        Raises:
            ValueError: no such collection.
        """
        top = self.world.tables["accounts"][ROOT]
        living = self.courses(top, {})
        states = {"state[]": ("active", "invited", "creation_pending", "inactive", "completed", "rejected", "deleted")}
        found: Mapping[str, Callable[[], list[Record]]] = {
            "accounts": lambda: [top, *self.below(top)],
            "terms": lambda: self.terms(top, {"workflow_state[]": ["all"]}),
            "courses": lambda: self.courses(top, {"state[]": ["all"]}),
            "sections": lambda: [row for course in living for row in self.sections(course, {})],
            "enrollments": lambda: [row for course in living for row in self.enrollments(course, states)],
            "assignments": lambda: [row for course in living for row in self.assignments(course, {})],
            "submissions": lambda: [row for course in living for row in self.submissions(course, EVERYBODY)],
            "rubric_scores": lambda: [
                score
                for course in living
                for row in self.submissions(course, EVERYBODY)
                for score in rubrics.scores(self.world, row)
                if not row["excused"]
            ],
            **{kind: lambda kind=kind: self._people(top, kind) for kind in KINDS},  # type: ignore[misc]
        }
        if collection not in found:
            raise ValueError(f"unknown collection {collection!r}; there are {', '.join(found)}")
        return iter(found[collection]())

    def _people(self, top: Record, kind: str) -> list[Record]:
        return self.users(top, {"enrollment_type": [kind], "include[]": ["email"]})


LISTS: Mapping[str, Callable[[Site, Record, Asked], list[Record]]] = {
    "sub_accounts": Site.sub_accounts,
    "terms": Site.terms,
    "courses": Site.courses,
    "users": Site.users,
    "sections": Site.sections,
    "enrollments": Site.enrollments,
    "assignments": Site.assignments,
    "submissions": Site.submissions,
}


def _published(pieces: Sequence[Record], wanted: Sequence[str]) -> set[int]:
    """The numbers of those whose submissions are asked for: all, or those that are named."""
    known = {one["id"] for one in pieces if one["workflow_state"] == "published"}
    named = {int(number) if number.isdecimal() else 0 for number in wanted}
    if named - known:
        raise RefusedError(as_json(403, {"error": "invalid assignment ids requested"}))
    return named or known


def _moment(asked: Asked, name: str) -> str:
    """A moment that is asked for, as Canvas writes it; "" for none."""
    told = asked.get(name, ("",))[-1]
    if told and not _STRICT.fullmatch(told):
        raise RefusedError(as_json(400, {"error": f"Invalid datetime for {name}"}))
    return told and datetime.fromisoformat(told).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _by_name(user: Record) -> tuple[str, int]:
    return str(user["sortable_name"]).casefold(), int(user["id"])
