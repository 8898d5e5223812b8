"""One function per entity. Each returns the raw pages of everything: Classroom can be asked for no span of time.

Only the fields that are used are asked for (`fields`), so that codes to join a course, photos and folders never come
here, and who is in a course comes without names where names are not what is read. Of rubrics only those are asked for
by which a submission was assessed: a domain without any pays nothing for them.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import quote

from connector_pipelines.connectors.google_classroom import answers, rubrics, wire
from connector_pipelines.connectors.google_classroom.answers import NotThere
from connector_pipelines.connectors.google_classroom.rosters import Walk
from connector_pipelines.external import redact
from connector_pipelines.external.http import Client, Request
from connector_pipelines.external.paginate import paginate
from connector_pipelines.external.passes import Passes
from connector_pipelines.external.retry import Do
from connector_pipelines.model import Health, Mode, Window
from connector_pipelines.pages import Reading

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from threading import Event

    from msgspec import Raw

    from connector_pipelines.connectors.google_classroom.config import GoogleClassroomConfig
    from connector_pipelines.connectors.google_classroom.wire import Course, Split
    from connector_pipelines.external.messages import Response
    from connector_pipelines.pages import Page

COURSE = "id,name,section,room,levels,subject,courseState,updateTime"
MEMBER = "courseId,userId"
PERSON = f"{MEMBER},profile(id,name(givenName,familyName),emailAddress)"
WORK = "courseId,id,title,state,workType,updateTime,scheduledTime,dueDate,dueTime,maxPoints"
_HANDED_IN = "courseId,courseWorkId,id,userId,updateTime"
SUBMISSION = f"{_HANDED_IN},state,submissionHistory(stateHistory(state,stateTimestamp))"
GRADE = f"{_HANDED_IN},assignedGrade,submissionHistory(gradeHistory(gradeChangeType,gradeTimestamp,maxPoints))"
SCORE = f"{_HANDED_IN},assignedRubricGrades"
RUBRIC = "courseId,courseWorkId,criteria(id,title,levels(id,title,points))"


@dataclass(frozen=True, slots=True)
class Classroom:
    """An open domain."""

    config: GoogleClassroomConfig
    http: Client


@contextmanager
def connect(config: GoogleClassroomConfig) -> Iterator[Classroom]:
    """A client for a domain; nothing is asked before the first read.

    Raises:
        ConfigurationError: the base URL is unusable, or would send credentials unencrypted.
    """
    with config.client(
        config.root,
        config.auth.scheme(config.asked_scopes),
        overrides={403: answers.forbidden, 404: Do.ACCEPT},  # whether a 404 is an answer, `_fetch` knows
        explain=answers.explained,
    ) as http:
        yield Classroom(config, http)


def courses(classroom: Classroom, window: Window) -> Reading:
    """GET /courses, in all states that the source names."""
    whole = _whole(classroom, window)
    pages = _listed(classroom, COURSE)
    return Reading(pages, snapshot=whole, fenced=partial(_settled, classroom) if whole else None)


def students(classroom: Classroom, window: Window) -> Reading:
    """GET /courses/{courseId}/students: the people, as often as they are in a course."""
    return _walk(classroom, window, Part("students", PERSON, wire.people("students")))


def teachers(classroom: Classroom, window: Window) -> Reading:
    """GET /courses/{courseId}/teachers: the people, as often as they teach a course."""
    return _walk(classroom, window, Part("teachers", PERSON, wire.people("teachers")))


def enrollments(classroom: Classroom, window: Window) -> Reading:
    """GET /courses/{courseId}/students: who is in which course, without names."""
    return _walk(classroom, window, Part("students", MEMBER, wire.members("students")))


def teaching_assignments(classroom: Classroom, window: Window) -> Reading:
    """GET /courses/{courseId}/teachers: who teaches which course, without names."""
    return _walk(classroom, window, Part("teachers", MEMBER, wire.members("teachers")))


def course_work(classroom: Classroom, window: Window) -> Reading:
    """GET /courses/{courseId}/courseWork: published, drafted and deleted."""
    states = tuple(("courseWorkStates", state) for state in ("PUBLISHED", "DRAFT", "DELETED"))
    return _walk(classroom, window, Part("courseWork", WORK, wire.members("courseWork"), states))


def submissions(classroom: Classroom, window: Window) -> Reading:
    """GET /courses/{courseId}/courseWork/-/studentSubmissions: how far each student is with each course work."""
    return _walk(classroom, window, replace(_HANDED, fields=SUBMISSION))


def grades(classroom: Classroom, window: Window) -> Reading:
    """GET /courses/{courseId}/courseWork/-/studentSubmissions: what they were given for it."""
    return _walk(classroom, window, replace(_HANDED, fields=GRADE))


def rubric_scores(classroom: Classroom, window: Window) -> Reading:
    """The same, for what they were given for each criterion of a rubric; and for what these are called,
    GET /courses/{courseId}/courseWork/{courseWorkId}/rubrics. What is drafted is the teacher's alone.
    """
    return _walk(classroom, window, replace(_HANDED, fields=SCORE, split=rubrics.scores, rubrics=True))


def check(classroom: Classroom) -> Health:
    """Ask for one course: proves address, credentials and that the scope for courses was granted."""
    started = time.monotonic()
    response = _fetch(classroom, _courses_request(classroom.config, "id", 1), None)
    found = "answers" if wire.split_courses(response.body) else "answers, but shows no course"
    return Health(ok=True, detail=f"Google Classroom {found}.", latency_seconds=time.monotonic() - started)


@dataclass(frozen=True, slots=True)
class Part:
    """What is read of each course.

    Attributes:
        name: of the list in an answer.
        fields: of its records.
        split: a page to its records.
        params: what else is asked.
        below: its place below the course, where that is not its name.
        rubrics: its records are assessed by rubrics, which are asked for and landed with them.
    """

    name: str
    fields: str
    split: Split
    params: tuple[tuple[str, str], ...] = ()
    below: str = ""
    rubrics: bool = False


_HANDED = Part("studentSubmissions", "", wire.members("studentSubmissions"), below="courseWork/-/studentSubmissions")


@dataclass(frozen=True, slots=True)
class TokenPaging:
    """Follows the tokens that pages carry; everything else is asked again unchanged, as Google demands."""

    def after(self, request: Request, response: Response, _rows: int) -> Request | None:
        """The page that the token leads to; a short page is not the last one for that."""
        token = wire.token_in(response.body)
        return request.with_params({"pageToken": token}) if token else None

    def ahead(self, _request: Request, _response: Response, _rows: int) -> Request | None:
        """Tokens cannot be guessed."""
        return None


def _whole(classroom: Classroom, window: Window) -> bool:
    return window.mode is Mode.FULL and classroom.config.reads_every_state


def _settled(classroom: Classroom) -> Reading:
    """The list of courses, read until two passes agree."""
    passes = Passes()
    pages = passes.pages(lambda: _listed(classroom, COURSE), wire.ids(wire.split_courses))
    numbered = (replace(page, number=number) for number, page in enumerate(pages, 1))
    return Reading(numbered, snapshot=True, stability=lambda: passes.stability)


def _walk(classroom: Classroom, window: Window, part: Part, *, watched: bool = False) -> Reading:
    """A part of all courses."""
    whole = _whole(classroom, window)
    walk = Walk(
        classroom,
        lambda: _listed(classroom, "id,ownerId"),
        lambda course: _of_course(classroom, course, part),
        part.split,
        watched,
    )
    closer = partial(_walk, classroom, window, part, watched=True)
    return Reading(walk.pages(), whole, lambda: walk.stability, fenced=closer if whole and not watched else None)


def _listed(classroom: Classroom, fields: str) -> Generator[Page]:
    """One pass over the courses."""
    first = _courses_request(classroom.config, fields, classroom.config.page_size)
    return paginate(partial(_fetch, classroom), wire.split_courses, first, TokenPaging())


def _of_course(classroom: Classroom, course: Course, part: Part) -> Generator[Page]:
    """One pass over a part of a course."""
    criteria: dict[str, list[Raw]] = {}

    def fetch(request: Request, stop: Event) -> Response:
        response = _fetch(classroom, request, stop)
        works = rubrics.assessed(response.body) if part.rubrics else ()
        criteria.update({work: _criteria(classroom, course, work) for work in works if work not in criteria})
        beside = {rubrics.BESIDE: {work: criteria[work] for work in works}} if works else {}
        return replace(response, body=wire.of_course(course, response.body, beside))

    size = ("pageSize", str(classroom.config.page_size))
    request = Request(_place(course, part.below or part.name), (*part.params, size, _part(part.name, part.fields)))
    return paginate(fetch, part.split, request, TokenPaging(), in_flight=1)


def _criteria(classroom: Classroom, course: Course, work: str) -> list[Raw]:
    """What submissions of a course work are assessed in. Where there is no rubric any more the ids have to do."""
    request = Request(_place(course, f"courseWork/{quote(work, safe='')}/rubrics"), (_part(rubrics.BESIDE, RUBRIC),))
    fetch = partial(_fetch, classroom)
    try:
        pages = [*paginate(fetch, rubrics.rubrics, request, TokenPaging(), in_flight=1)]
    except NotThere:
        classroom.http.log.warning("course work %s:%s has scores, and Google knows no rubric of it", course.id, work)
        return []
    return [one for page in pages for raw in page.rows for one in rubrics.criteria(raw, str(course.id), work)]


def _place(course: Course, below: str) -> str:
    return f"courses/{quote(str(course.id), safe='')}/{below}"


def _courses_request(config: GoogleClassroomConfig, fields: str, size: int) -> Request:
    """The first page of courses. States are named one by one: which ones come unasked, Google says in two ways."""
    states = tuple(("courseStates", state) for state in config.course_states)
    return Request("courses", (*states, ("pageSize", str(size)), _part("courses", fields)))


def _part(name: str, fields: str) -> tuple[str, str]:
    """Of a page, these fields of its records alone."""
    return ("fields", f"nextPageToken,{name}({fields})")


def _fetch(classroom: Classroom, request: Request, stop: Event | None) -> Response:
    """The answer to a request.

    Raises:
        NotThere: there is no such thing.
        SyncError: as `Client.send` names them.
    """
    response = classroom.http.send(request, stop)
    if response.status == 404:  # noqa: PLR2004 -- the status
        said = redact.text(answers.explained(response))
        raise NotThere(
            f"GET {request.url} answered 404{f' ({said})' if said else ''}.",
            remedy="Check the base URL, and that the course is still there.",
        )
    return response
