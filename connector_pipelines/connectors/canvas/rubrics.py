"""Scores by rubrics, each composed of a submission, what was given for one criterion, and that criterion's words.

Canvas tells of a submission points and the ids of criteria and ratings; what these are called, and how many points
there may be, stands in the rubric of its assignment alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from connector_pipelines.connectors.canvas import wire
from connector_pipelines.connectors.canvas.wire import Id

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence


class Rating(msgspec.Struct, gc=False):
    """A level that can be reached. Its id is its own within the criterion alone: "blank" is one in most of them."""

    id: Id = None
    points: Any = None
    description: str | None = None


class Criterion(msgspec.Struct, gc=False):
    """What is looked at."""

    id: Id = None
    points: Any = None
    description: str | None = None
    ratings: list[Rating] | None = None


class Given(msgspec.Struct, gc=False):
    """What was given for a criterion."""

    points: Any = None
    rating_id: Id = None
    comments: str | None = None


class Assessed(msgspec.Struct, omit_defaults=True, gc=False):
    """A submission, with what was given for each criterion."""

    id: Id = None
    assignment_id: Id = None
    user_id: Id = None
    workflow_state: str | None = None
    graded_at: str | None = None
    excused: bool | None = None
    rubric_assessment: dict[str, msgspec.Raw] | None = None


class Score(msgspec.Struct, gc=False):
    """One record: `criterion` is None where the rubric has no such criterion any more."""

    id: str | None = None
    submission: Assessed | None = None
    given: Given | None = None
    criterion: Criterion | None = None
    hide_points: bool = False


class Rubric(msgspec.Struct, gc=False):
    """That of an assignment, whose id it has."""

    id: str
    hide_points: bool
    criteria: list[msgspec.Raw]


class _Settings(msgspec.Struct, gc=False):
    hide_points: bool | None = None


class _Assignment(msgspec.Struct, gc=False):
    id: Id = None
    workflow_state: str | None = None
    rubric: list[msgspec.Raw] | None = None
    rubric_settings: _Settings | None = None


class _Page(msgspec.Struct, gc=False):
    rubrics: list[Rubric]
    submissions: msgspec.Raw


_assignment = msgspec.json.Decoder(_Assignment)
_assessed = msgspec.json.Decoder(Assessed)
_page = msgspec.json.Decoder(_Page)
_encoded = msgspec.json.encode
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_NO_POINTS = {"0", "0.0", "None"}


def score_id(submission: Id, criterion: str) -> str | None:
    """The id of a score: `9001:_1234`. A submission's is a number, so that two scores never have the same.

    Args:
        submission: the id of the submission.
        criterion: that of the criterion, which is its own within the rubric.
    """
    return None if submission is None else f"{submission}:{criterion}"


def rubric_of(raw: bytes) -> Rubric | None:
    """The rubric of an assignment; None where there is none, or nobody can be assessed by it yet.

    Raises:
        BrokenPage: it cannot be read. Which scores there are is then not known.
    """
    try:
        found = _assignment.decode(raw)
    except _UNREADABLE:
        raise wire.broken(raw, "has an assignment whose rubric cannot be read") from None
    if not found.rubric or found.workflow_state == "unpublished":
        return None
    number = "" if found.id is None else str(found.id)
    if not number.replace("~", "", 1).isdecimal():
        raise wire.broken(raw, "has an assignment with a rubric, and without a number")
    hidden = found.rubric_settings is not None and bool(found.rubric_settings.hide_points)
    return Rubric(number, hidden, found.rubric)


def rubrics_of(assignments: Iterable[bytes]) -> list[Rubric]:
    """The rubrics of a page of assignments.

    Raises:
        BrokenPage: one cannot be read.
    """
    return [rubric for raw in assignments if (rubric := rubric_of(bytes(raw)))]


def with_rubrics(rubrics: Sequence[Rubric], submissions: Iterable[bytes]) -> bytes:
    """A page of those submissions that were assessed, together with the rubrics that it may have been by.

    Of others no record is made. So nothing of them is kept: of somebody who was erased it would not be noticed.
    """
    assessed = b",".join(bytes(raw) for raw in submissions if _is_assessed(raw))
    return b'{"rubrics":%b,"submissions":[%b]}' % (_encoded(rubrics), assessed)


def _is_assessed(raw: bytes) -> bool:
    """Whether anything was given, or it cannot be read."""
    try:
        return bool(_assessed.decode(raw).rubric_assessment)
    except _UNREADABLE:
        return True


def split_scores(body: bytes) -> Sequence[bytes]:
    """The scores of a page of submissions: one for each submission and criterion. Who was not assessed has none.

    Raises:
        BrokenPage: it is no such page.
    """
    try:
        told = _page.decode(body)
    except _UNREADABLE:
        raise wire.broken(body, "is no list of submissions with rubrics") from None
    rubrics = {rubric.id: rubric for rubric in told.rubrics}
    criteria = {key: {wire.id_of(bytes(one)): one for one in rubric.criteria} for key, rubric in rubrics.items()}
    found: list[bytes] = []
    for raw in wire.split_submissions(bytes(told.submissions)):
        found.extend(_scores(bytes(raw), rubrics, criteria))
    return found


def _scores(
    raw: bytes, rubrics: Mapping[str, Rubric], criteria: Mapping[str, Mapping[str | None, msgspec.Raw]]
) -> Iterator[bytes]:
    """The scores of a submission; of one that cannot be read a single record, which is refused as it is decoded."""
    try:
        submission = _assessed.decode(raw)
    except _UNREADABLE:
        yield b'{"submission":%b}' % raw
        return
    given, submission.rubric_assessment = submission.rubric_assessment or {}, None
    assignment, told = str(submission.assignment_id), _encoded(submission)
    hidden = _encoded(assignment in rubrics and rubrics[assignment].hide_points)
    for name, score in given.items():
        criterion = bytes(criteria.get(assignment, {}).get(name, b"null"))
        values = (_encoded(score_id(submission.id, name)), told, bytes(score), criterion, hidden)
        yield b'{"id":%b,"submission":%b,"given":%b,"criterion":%b,"hide_points":%b}' % values


def criterion(score: Score) -> str | None:
    """What was looked at, by its id where it was given no words; None where the rubric does not have it any more."""
    if score.criterion is None:
        return None
    said = score.criterion.description
    return said if said and said.strip() else str(score.criterion.id)


def level(score: Score) -> str | None:
    """What the level is called that was reached.

    For a criterion that is left open, Canvas itself names the rating of 0 points, so that one without points given
    says nothing.
    """
    if score.given is None or score.given.rating_id is None or score.criterion is None:
        return None
    named = str(score.given.rating_id)
    found = next((one for one in score.criterion.ratings or () if str(one.id) == named), None)
    if found is None or (score.given.points is None and str(found.points) in _NO_POINTS):
        return None
    return found.description


def points(score: Score) -> object:
    """The points that were given; None where the rubric shows none."""
    return None if score.given is None or score.hide_points else score.given.points


def most(score: Score) -> object:
    """The most points that could be given; None where the rubric shows none."""
    return None if score.criterion is None or score.hide_points else score.criterion.points
