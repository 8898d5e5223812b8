"""Accepted Moodle rows to core columns. Pure: frames in, frames out, no row is added or left out.

Types of the result: text is pandas' `str`, numbers are text in plain digits without zeros at the end, times are UTC in
microseconds and missing where Moodle says 0, `deleted` is `bool`: Moodle tells of nothing that is gone.
"""

from __future__ import annotations

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from connector_pipelines.series import TEXT, mapped, nothing, number, of_text, text

GRADE_TYPES = {
    "mod": "assignment_grade",
    "assign": "assignment_grade",
    "manual": "assignment_grade",
    "category": "section_total",
    "course": "course_total",
}
"""Requirement M50, read backwards."""

ASSESSMENT_TYPES = {"assign": "assignment", "manual": "manual", "category": "section_total", "course": "course_total"}
"""What an item is of; an activity is called as its module is, "quiz"."""

UNNAMED = {"course": "Course total", "category": "Category total"}
"""Totals have no name of their own."""

_TIME = pd.DatetimeTZDtype("us", "UTC")


def assessments(frame: pd.DataFrame) -> pd.DataFrame:
    """Of assignments and gradebook items. One without a name is called by what it is."""
    kind = mapped(frame["itemtype"], ASSESSMENT_TYPES).fillna(text(frame["module"]))
    unnamed = mapped(frame["itemtype"], UNNAMED).fillna(kind).fillna("Item")
    most = number(frame["most"])
    scale = most.fillna("").str.startswith("-")  # below zero it is the number of a scale, no points
    return _core(
        frame,
        modified=_time(frame["timemodified"]),
        skip=_reason(frame["twice"], "is the gradebook's line of an assignment, which is read by itself"),
        title=text(frame["name"]).fillna(unnamed),
        assessment_type=kind,
        available_at=_time(frame["from"]),
        due_at=_time(frame["duedate"]),
        min_score=number(frame["least"]).where(frame["itemtype"] != "assign", "0"),
        max_score=most.where(~scale & ~frame["itemtype"].isin(list(UNNAMED))),  # of a total it differs by person
        learning_outcome=nothing(frame),
        program_outcome=nothing(frame),
        is_finalized=_flags(frame, value=None),
        status=_active(frame),
        **_place(frame),
    )


def grades(frame: pd.DataFrame) -> pd.DataFrame:
    """Of the gradebook; a line without a grade is none."""
    graded = _time(frame["graded"])
    overridden = frame["overridden"].str.lower() == "true"
    return _core(
        frame,
        modified=graded,
        skip=_reason(frame["grade"].isna(), "is not graded"),
        grade_type=mapped(frame["itemtype"], GRADE_TYPES),
        score=number(frame["grade"]),
        max_score=number(frame["most"]),
        letter_grade=nothing(frame),
        achievement=nothing(frame),
        comment=text(frame["feedback"]),
        is_override=overridden.astype("boolean"),
        graded_at=graded,
        status=_active(frame),
        student=text(frame["user"]),
        assessment=text(frame["assessment"]),
        section=nothing(frame),
    )


def submissions(frame: pd.DataFrame) -> pd.DataFrame:
    """Of submissions; Moodle counts attempts from 0."""
    changed = _time(frame["timemodified"])
    attempt = pd.to_numeric(frame["attempt"]).astype("Int64") + 1
    return _core(
        frame,
        modified=changed,
        state=text(frame["status"]),
        attempt=attempt,
        submitted_at=changed.where(frame["status"] == "submitted"),
        grading_state=text(frame["gradingstatus"]),
        status=_active(frame),
        student=text(frame["user"]),
        assessment=text(frame["assignment"]),
    )


def rubric_scores(frame: pd.DataFrame) -> pd.DataFrame:
    """Of what was filled in with a rubric. One level may be called nothing, and a remark may stand without any."""
    graded, changed = _time(frame["graded"]), _time(frame["changed"])
    level, points, remark = text(frame["level"]), number(frame["points"]), text(frame["remark"])
    said_nothing, chosen = level.isna() & points.isna() & remark.isna(), frame["chosen"].notna()
    gone = _reason(~frame["listed"].astype(bool), "is of a criterion that the rubric has no more")
    lost = _reason(said_nothing & chosen, "is of a level that the rubric has no more")
    left_open = _reason(said_nothing & ~chosen, "is not assessed")
    return _core(
        frame,
        modified=graded.where(~(changed > graded), changed),  # other words for a level change it, too
        skip=gone.fillna(lost).fillna(left_open),
        criterion=text(frame["criterion"]).fillna("Criterion " + number(frame["place"])).fillna("Criterion"),
        level=level,
        points=points,
        max_points=number(frame["most"]),
        comment=remark,
        graded_at=graded,
        status=_active(frame),
        student=text(frame["user"]),
        assessment=text(frame["assignment"]),
    )


def engagement(frame: pd.DataFrame) -> pd.DataFrame:
    """Of who is in a course as a student. No column of the person is read (requirement M38)."""
    return _core(
        frame,
        modified=_time(nothing(frame)),  # a visit to another course moves one time of several; none speaks for the row
        skip=_reason(~frame["student"].astype(bool), "is no student there"),
        last_login_at=_time(frame["lastaccess"]),
        last_access_at=_time(frame["lastcourseaccess"]),
        status=_active(frame),
        student=text(frame["user"]),
        **_place(frame),
    )


def _core(frame: pd.DataFrame, *, modified: pd.Series, skip: pd.Series | None = None, **fed: pd.Series) -> pd.DataFrame:
    """The columns every result has, and those that are fed."""
    every = {
        "external_id": text(frame["id"]),
        "modified_at": modified,
        "deleted": pd.Series(data=False, index=frame.index, dtype=bool),
        "skip": nothing(frame) if skip is None else skip,
    }
    return pd.DataFrame(every | fed)


def _place(frame: pd.DataFrame) -> dict[str, pd.Series]:
    """The course or the section that a course there is of."""
    course, is_section = text(frame["course"]), frame["is_section"].astype(bool)
    return {"section": course.where(is_section), "course": course.where(~is_section)}


def _flags(frame: pd.DataFrame, *, value: bool | None) -> pd.Series:
    return pd.Series(value, index=frame.index, dtype="boolean")


def _active(frame: pd.DataFrame) -> pd.Series:
    return pd.Series("active", index=frame.index, dtype=TEXT)


def _time(values: pd.Series) -> pd.Series:
    """Unix seconds; 0 is no time."""
    seconds = pd.to_numeric(values)
    moments: pd.Series = pd.to_datetime(seconds.where(seconds > 0), unit="s", utc=True)
    return moments.astype(_TIME)


def _reason(which: pd.Series, reason: str) -> pd.Series:
    """The reason for rows that belong elsewhere, null for the others."""
    return of_text(pc.if_else(pa.array(which, pa.bool_()), reason, pa.scalar(None, pa.string())), which.index)
