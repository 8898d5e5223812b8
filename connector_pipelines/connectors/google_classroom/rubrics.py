"""What students were given for each criterion of a rubric: parts of their submissions, in the words of the rubric.

A submission names criteria and levels by their ids; what these are called, and how many points there were to have, the
rubric of the course work says. So a page of submissions is landed behind the rubrics that it needs, and a record is
composed of a submission and one criterion of it. A submission that was not assessed by a rubric is one record, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from connector_pipelines.connectors.google_classroom import wire
from connector_pipelines.connectors.google_classroom.work import OF_SUBMISSIONS, joined
from connector_pipelines.errors import BrokenPage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    Column = Callable[[Any], object]

BESIDE = "rubrics"
"""What the criteria are called that are landed beside submissions."""

_GIVEN = "assignedRubricGrades"
_SUBMISSIONS = "studentSubmissions"


class Level(msgspec.Struct, gc=False):
    """What may be reached in a criterion. Without points it has a title; with points it may have none."""

    id: str | None = None
    title: str | None = None
    points: float | None = None


class Criterion(msgspec.Struct, gc=False):
    """What is looked at."""

    title: str | None = None
    levels: list[Level] | None = None


class Grade(msgspec.Struct, gc=False):
    """What was given: a level, points, or both; points need not be those of a level."""

    levelId: str | None = None  # noqa: N815 -- the contract's names, here and below
    points: Any = None


class Score(msgspec.Struct, gc=False):
    """A submission and one criterion of it; `criterion` is missing where the rubric does not have it any more.

    A submission that was not assessed by a rubric has no grade. What it has in its place must be a map.
    """

    courseId: str | None = None  # noqa: N815
    courseWorkId: str | None = None  # noqa: N815
    id: str | None = None
    userId: str | None = None  # noqa: N815
    updateTime: str | None = None  # noqa: N815
    criterionId: str | None = None  # noqa: N815
    grade: Grade | None = None
    criterion: Criterion | None = None
    assignedRubricGrades: dict[str, Any] | None = None  # noqa: N815


class _Rubric(msgspec.Struct):
    courseId: str | None = None  # noqa: N815
    courseWorkId: str | None = None  # noqa: N815
    criteria: list[msgspec.Raw] | None = None


class _Criterion(msgspec.Struct):
    id: str


class _Assessed(msgspec.Struct):
    courseWorkId: str | None = None  # noqa: N815
    assignedRubricGrades: dict[str, msgspec.Raw] | None = None  # noqa: N815


class _Beside(msgspec.Struct):
    rubrics: dict[str, list[msgspec.Raw]] = {}


_rubric = msgspec.json.Decoder(_Rubric)
_criterion = msgspec.json.Decoder(_Criterion)
_assessed = msgspec.json.Decoder(_Assessed)
_beside = msgspec.json.Decoder(_Beside)
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])
_split = wire.members(_SUBMISSIONS)


def assessed(body: bytes) -> Sequence[str]:
    """The course work whose rubrics a page of submissions needs, as it came; of what is no page there is none."""
    try:
        rows = [_of_work(raw) for raw in wire.rows_in(body, _SUBMISSIONS)]
    except BrokenPage:
        return []
    return sorted({one.courseWorkId for one in rows if one and one.courseWorkId and one.assignedRubricGrades})


def rubrics(body: bytes) -> Sequence[bytes]:
    """The raw rubrics of a page.

    Raises:
        BrokenPage: it is no page.
    """
    return wire.rows_in(body, BESIDE)


def criteria(raw: bytes, course: str, work: str) -> Iterable[msgspec.Raw]:
    """The raw criteria of a rubric.

    Raises:
        BrokenPage: it cannot be read, or is the rubric of something else.
    """
    try:
        told = _rubric.decode(raw)
    except wire.WRONG:
        raise wire.broken(raw, f"of the rubrics of course work {course}:{work} holds none that can be read") from None
    if (told.courseId or course, told.courseWorkId or work) != (course, work):
        raise wire.broken(raw, f"of the rubrics of course work {course}:{work} holds the one of another")
    return told.criteria or ()


def scores(body: bytes) -> Sequence[bytes]:
    """A record for each criterion of each submission; one for a submission that was not assessed by a rubric, and for
    one of which that cannot be said, which is refused further on.

    Raises:
        BrokenPage: it is no page.
    """
    known = _known(body)
    return [score for raw in _split(body) for score in _scores(raw, known)]


def _of_work(raw: bytes) -> _Assessed | None:
    try:
        return _assessed.decode(raw)
    except wire.WRONG:
        return None


def _known(body: bytes) -> Mapping[str, Mapping[str, bytes]]:
    """The raw criteria by course work and id; one without an id is nobody's."""
    try:
        told = _beside.decode(wire.told_beside(body)).rubrics
    except wire.WRONG:
        raise wire.broken(body, "does not say by which rubrics it is to be read") from None
    return {work: {key: raw for raw in listed if (key := _id(raw))} for work, listed in told.items()}


def _id(raw: bytes) -> str | None:
    try:
        return _criterion.decode(raw).id
    except wire.WRONG:
        return None


def _scores(raw: bytes, known: Mapping[str, Mapping[str, bytes]]) -> Sequence[bytes]:
    found = _of_work(raw)
    if found is None or not found.assignedRubricGrades:
        return [raw]
    head = {name: held for name, held in _fields.decode(raw).items() if name != _GIVEN}
    words = known.get(found.courseWorkId or "", {})
    return [
        msgspec.json.encode(
            head | {"criterionId": key, "grade": grade} | ({"criterion": words[key]} if key in words else {})
        )
        for key, grade in found.assignedRubricGrades.items()
    ]


_ID = ("courseId", "courseWorkId", "id", "criterionId")


def score_id(told: Mapping[str, object]) -> str | None:
    """The id of what was given for a criterion: Classroom has none of its own. Without one, that of the submission."""
    return joined(*(told.get(name) for name in _ID if name != "criterionId" or told.get(name) is not None))


decode_score = wire.decoder(Score, score_id)


def _words(title: str | None, key: str | None) -> str | None:
    """What something is called; by its id where it has no title, or is not there any more."""
    return (title or "").strip() or key


def _level(score: Score) -> str | None:
    key = getattr(score.grade, "levelId", None)
    levels = getattr(score.criterion, "levels", None) or ()
    return _words(next((level.title for level in levels if level.id == key), None), key) if key else None


def _most(score: Score) -> float | None:
    """The points of the best level; a rubric without points has none."""
    levels = getattr(score.criterion, "levels", None) or ()
    return max((level.points for level in levels if level.points is not None), default=None)


SCORES: Mapping[str, Column] = {
    **OF_SUBMISSIONS,
    "id": lambda score: score_id({name: getattr(score, name) for name in _ID}),
    "criterion": lambda score: _words(getattr(score.criterion, "title", None), score.criterionId),
    "level": _level,
    "points": lambda score: getattr(score.grade, "points", None),
    "maxPoints": _most,
}
