"""Grades of core to Moodle: which ones, and as how many points on which line of the gradebook (M47, G49-G52, G96).

The course total is computed by Moodle and takes no push, and a manual item takes none either. So a site that wants
final grades, results of core's own assessments, or results on learning outcomes has assignments for them in its
courses, which the configuration names by their ID numbers. What somebody sets in core over a grade that came from an
activity of the site goes back to that very activity.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from connector_pipelines.assessed import called
from connector_pipelines.connectors.moodle.lines import plain
from connector_pipelines.outward import Skipped, Unwanted
from connector_pipelines.pages import BadRow

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from connector_pipelines.assessed import Chosen
    from connector_pipelines.connectors.moodle.config import MoodleConfig
    from connector_pipelines.outward import Record

    Row = Mapping[str, Any]
    Choose = Callable[[Row], Skipped | Unwanted | None]
    Shape = Callable[[Row], Record | Skipped]

_OVER = Skipped("the term was over before its courses were written")
_NOT_OURS = Skipped("came from there, and nobody set it in core")


def choose_final(place: str, activity: str | None) -> Choose:
    """Final grades with points; those of a term that was over before its courses were written wait for nothing.

    One that the site itself computed is written only where somebody set it in core; then it needs an activity.
    """

    def chosen(row: Row) -> Skipped | Unwanted | None:
        if row["grade_type"] != "course_total":
            return Skipped("is no final grade")
        if stays := _as_it_is(row, activity):
            return stays
        if row["ended"] and not row[place]:
            return _OVER
        if row["status"] != "active":
            return Unwanted("the grade is inactive")
        return Skipped("has no points") if row["score"] is None else None

    return chosen


def _as_it_is(row: Row, activity: str | None) -> Skipped | None:
    """Why a final grade is not told; of what came from there core tells only what somebody set."""
    if row["grade"]:
        return None if row["edited_at"] else _NOT_OURS
    if activity is None:
        return Skipped("no final_grade_activity is named for it")
    return None if row["finalized"] else Skipped("is not finalized")


def choose_override(place: str) -> Choose:
    """Overrides that somebody set in core of grades that came from the site (M47)."""

    def chosen(row: Row) -> Skipped | None:
        if row["grade_type"] == "course_total":
            return Skipped("is a final grade, which is an export of its own")
        if not row["grade"]:
            return Skipped("did not come from there")
        if not row["edited_at"]:
            return _NOT_OURS
        if row["ended"] and not row[place]:
            return _OVER
        return Skipped("has no points") if row["score"] is None or row["status"] != "active" else None

    return chosen


def choose_result(place: str, results: Chosen) -> Choose:
    """Results of core's own assessments (G49)."""

    def chosen(row: Row) -> Skipped | Unwanted | None:
        if row["grade"] or row["assessment"]:
            return Skipped("came from there")
        return _OVER if row["ended"] and not row[place] else results.choose_result(row)

    return chosen


def choose_outcome(place: str, results: Chosen) -> Choose:
    """What was shown of outcomes; that of a term that was over before its courses were written waits for nothing."""
    return lambda row: _OVER if row["ended"] and not row[place] else results.choose_shown(row)


def final_grade(activity: str | None) -> Shape:
    """A final grade as points of a user in a course."""

    def shape(row: Row) -> Record | Skipped:
        if activity is None:
            raise BadRow("no activity", "Moodle computes course totals itself; name a final_grade_activity for it")
        return _points(row, "activity", activity, row["score"])

    return shape


def override(row: Row) -> Record | Skipped:
    """An override as points on the line that the grade came from; its number begins the grade's id there."""
    if not (row.get("offering") or row.get("section")):
        raise BadRow("unclear term", "the student is in the course in several terms, or in none: nobody knows whose")
    return _points(row, "item", int(row["grade"].partition(":")[0]), row["score"])


def result(config: MoodleConfig) -> Shape:
    """A result as points of the activity for its assessment: its score, else what its level is worth (G51, K33)."""
    activities, shares = str(config.result_activities), config.result_shares

    def shape(row: Row) -> Record | Skipped:
        number, score, most = row["assessment_number"], row["score"], row["max_score"]
        what = f"assessment {number}"
        share = None if row["achievement"] is None else called(shares, row, what)
        if score is None and (share is None or most is None):
            raise BadRow("points are required", f"{what} was graded without points, and Moodle takes nothing else")
        points = most * Decimal(str(share)) / 100 if score is None else score
        record = _points(row, "activity", activities.format(assessment=number), points)
        return record if isinstance(record, Skipped) or most is None else {**record, "most": plain(most)}

    return shape


def outcome(activities: str, points: Mapping[str, float]) -> Shape:
    """What a student has shown of a learning outcome, as points (K33).

    Args:
        activities: ID number of the activities, with {outcome} for the outcome's code.
        points: of each level.
    """

    def shape(row: Row) -> Record | Skipped:
        code = row["learning_outcome"]
        return _points(row, "activity", activities.format(outcome=code), called(points, row, f"outcome {code}"))

    return shape


def _points(row: Row, name: str, line: object, points: object) -> Record | Skipped:
    place = row.get("offering") or row.get("section")
    if not place:
        return Skipped("its section or its course is not known")
    return {"courseid": int(place), "userid": int(row["person"]), name: line, "points": plain(points)}
