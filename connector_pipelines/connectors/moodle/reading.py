"""The raw pages of each entity. Moodle lists nothing across courses, so reading goes from course to course.

Nothing here holds still or says when it changed, but submissions; so no absence is concluded from a read.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

from connector_pipelines.connectors.moodle import client, records, wire
from connector_pipelines.connectors.moodle.calls import checked, post
from connector_pipelines.errors import BrokenPage
from connector_pipelines.model import Mode, Window
from connector_pipelines.pages import Page, Reading

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping, Sequence

    from connector_pipelines.connectors.moodle.calls import Moodle
    from connector_pipelines.connectors.moodle.wire import Params
    from connector_pipelines.external.messages import Response

ENROLLED = "core_enrol_get_enrolled_users"
GRADES = "gradereport_user_get_grade_items"
ASSIGNMENTS = "mod_assign_get_assignments"
SUBMISSIONS = "mod_assign_get_submissions"
RUBRICS = "core_grading_get_definitions"
FILLED = "core_grading_get_gradingform_instances"

RUBRIC = "rubric"
"""The grading method; a marking guide has points without levels, and other methods are plug-ins."""


def assessments(moodle: Moodle, window: Window) -> Reading:
    """Assignments, and what else the gradebook of each course has."""
    return _reading(_assessments(moodle), window)


def grades(moodle: Moodle, window: Window) -> Reading:
    """The gradebook of each course, with everybody in it."""
    return _reading(_grades(moodle), window)


def submissions(moodle: Moodle, window: Window) -> Reading:
    """Each person's latest attempt at each assignment, changed since a moment."""
    return _reading(_submissions(moodle, window), window)


def engagement(moodle: Moodle, window: Window) -> Reading:
    """Who is in each course, and when last seen."""
    return _reading(_engagement(moodle), window)


def rubric_scores(moodle: Moodle, window: Window) -> Reading:
    """What each person was given for each criterion of a rubric, in the latest attempt."""
    return _reading(_rubric_scores(moodle), window)


def _reading(pages: Generator[Page], window: Window) -> Reading:
    return Reading(pages, snapshot=window.mode is Mode.FULL)


def _assessments(moodle: Moodle) -> Generator[Page]:
    courses, numbers = _courses(moodle), count(1)
    for batch in _batches(moodle, courses):
        yield from _asked(moodle, ASSIGNMENTS, client.assignments_params(batch), records.split_assessments, numbers)
    for course in courses:
        anybody = next(client.enrolled_users(moodle, course, userfields="id", limitnumber=1), None)
        if anybody is not None:  # the report is of people: a course without any shows no items
            params = {"courseid": course, "userid": anybody["id"]}
            yield from _asked(moodle, GRADES, params, records.split_assessments, numbers)


def _grades(moodle: Moodle) -> Generator[Page]:
    numbers = count(1)
    for course in _courses(moodle):
        yield from _asked(moodle, GRADES, {"courseid": course, "userid": 0}, records.split_grades, numbers)


def _submissions(moodle: Moodle, window: Window) -> Generator[Page]:
    since, numbers = int(window.since.timestamp()) if window.since else 0, count(1)
    for courses in _batches(moodle, _courses(moodle)):
        instances = [assignment["id"] for assignment in client.assignments(moodle, courses)]
        for batch in _batches(moodle, instances):
            params = {"assignmentids": list(batch), "since": since}
            yield from _asked(moodle, SUBMISSIONS, params, records.split_submissions, numbers)


def _engagement(moodle: Moodle) -> Generator[Page]:
    size, numbers = moodle.config.page_size, count(1)
    for course in _courses(moodle):
        begin, rows = 0, size
        while rows == size:
            params = client.enrolled_params(course, begin, size, userfields="id,lastaccess,lastcourseaccess,roles")
            response = post(moodle, ENROLLED, params)
            wire.result(response.body)
            body = b'{"courseid":%d,"users":%b}' % (course, response.body)  # the answer does not say which course
            page = _page(next(numbers), response, body, records.split_engagement)
            rows, begin = len(page.rows), begin + size
            yield page


def _rubric_scores(moodle: Moodle) -> Generator[Page]:
    numbers = count(1)
    for courses in _batches(moodle, _courses(moodle)):
        assignments = {one["cmid"]: one["id"] for one in client.assignments(moodle, courses)}
        for modules in _batches(moodle, [*assignments]):
            areas = {area["cmid"]: area for area in client.grading_areas(moodle, modules)}
            if areas.keys() != set(modules):
                remedy = "Compare the site's release with the README; nothing was taken as gone."
                raise BrokenPage(f"{RUBRICS} answers for other assignments than it was asked for.", remedy=remedy)
            rubrics = [
                (assignments[module], definition)
                for module, area in areas.items()
                for definition in area["definitions"]
                if definition["method"] == area.get("activemethod") == RUBRIC
            ]
            yield from _filled(moodle, rubrics, numbers)


def _filled(moodle: Moodle, rubrics: Sequence[tuple[int, Mapping[str, Any]]], numbers: Iterator[int]) -> Iterator[Page]:
    """A page for each rubric: an answer names a grade, so whose they are is asked last, when all of them are known."""
    answers = [post(moodle, FILLED, {"definitionid": definition["id"]}) for _, definition in rubrics]
    for response in answers:
        wire.result(response.body)
        checked(FILLED, records.warnings(response.body))
    marks = client.assignment_grades(moodle, [assignment for assignment, _ in rubrics]) if rubrics else []
    whose = {mark["id"]: mark["userid"] for one in marks for mark in one["grades"]}
    for (assignment, definition), response in zip(rubrics, answers, strict=True):
        body = records.rubric_page(assignment, definition, response.body, whose)
        yield _page(next(numbers), response, body, records.split_rubric_scores)


def _courses(moodle: Moodle) -> list[int]:
    """The ids of all courses, in order."""
    return sorted(course["id"] for course in client.courses(moodle))


def _batches(moodle: Moodle, ids: Sequence[int]) -> Iterator[Sequence[int]]:
    for begin in range(0, len(ids), moodle.config.batch):
        yield ids[begin : begin + moodle.config.batch]


def _asked(
    moodle: Moodle, function: str, params: Params, split: Callable[[bytes], Sequence[bytes]], numbers: Iterator[int]
) -> Generator[Page]:
    """The page that one call answers with; a call that is refused or warns is no page.

    Raises:
        Refused: Moodle refuses or warns.
        BrokenPage: the answer is not what it should be; it was handed over.
    """
    response = post(moodle, function, params)
    refused = wire.failure(response.body)
    if refused:
        raise refused
    page = _page(next(numbers), response, response.body, lambda _: ())
    try:
        rows = split(response.body)
    except Exception:
        yield page
        raise
    checked(function, records.warnings(response.body))
    yield Page(page.number, page.url, page.status, page.body, rows)


def _page(number: int, response: Response, body: bytes, split: Callable[[bytes], Sequence[bytes]]) -> Page:
    return Page(number, response.url, response.status, body, split(body))
