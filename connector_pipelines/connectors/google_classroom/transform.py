"""Accepted Classroom records to core columns. Pure: frames in, frames out, no row is added or left out.

A Classroom course is what is taught and the class that people are in, at once: it feeds one course and one section of
it. Terms, organizations, codes and numbers it has none, and none are made up. Of course work alone we are told that it
was deleted.
"""

from __future__ import annotations

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from connector_pipelines.series import DAY, MOMENT, TEXT, arrow, mapped, moment, nothing, number, of_text, text

STATUSES = {
    "ACTIVE": "active",
    "PROVISIONED": "active",
    "ARCHIVED": "inactive",
    "DECLINED": "inactive",
    "SUSPENDED": "inactive",
}
"""A provisioned course waits for its teacher to accept it; the last three are in use no more."""


def courses(frame: pd.DataFrame) -> pd.DataFrame:
    """Of courses: what is taught."""
    return _core(
        frame,
        modified=moment(frame["updateTime"]),
        title=text(frame["name"]),
        course_code=nothing(frame),
        grades=text(frame["levels"]),
        subjects=text(frame["subject"]),
        status=mapped(frame["courseState"], STATUSES),
        organization=nothing(frame),
    )


def sections(frame: pd.DataFrame) -> pd.DataFrame:
    """Of courses: the class that people are in. Its own name, "Period 2", stands behind that of the course."""
    return _core(
        frame,
        modified=moment(frame["updateTime"]),
        title=_title(frame),
        section_code=nothing(frame),  # "Period 2" is no code: many classes have it
        section_type=nothing(frame),
        location=text(frame["room"]),
        grades=text(frame["levels"]),
        subjects=text(frame["subject"]),
        periods=nothing(frame),
        status=mapped(frame["courseState"], STATUSES),
        course=text(frame["id"]),
        organization=nothing(frame),
        term=nothing(frame),
    )


def students(frame: pd.DataFrame) -> pd.DataFrame:
    """Of profiles in rosters of students."""
    return _core(frame, **_person(frame), student_number=nothing(frame), grades=nothing(frame))


def instructors(frame: pd.DataFrame) -> pd.DataFrame:
    """Of profiles in rosters of teachers."""
    return _core(frame, **_person(frame), staff_number=nothing(frame))


def enrollments(frame: pd.DataFrame) -> pd.DataFrame:
    """Of who is in a course."""
    return _core(frame, **_in_section(frame), status=_always(frame, "enrolled"), student=text(frame["userId"]))


def teaching_assignments(frame: pd.DataFrame) -> pd.DataFrame:
    """Of who teaches a course; who owns it is its primary teacher."""
    return _core(
        frame,
        **_in_section(frame),
        status=_always(frame, "active"),
        is_primary=frame["owns"].astype("boolean"),
        instructor=text(frame["userId"]),
    )


def assessments(frame: pd.DataFrame) -> pd.DataFrame:
    """Of course work. Zero points are left out by Google, and mean that it is not graded."""
    published = frame["state"] == "PUBLISHED"
    return _core(
        frame,
        modified=moment(frame["updateTime"]),
        deleted=frame["state"] == "DELETED",
        title=text(frame["title"]),
        assessment_type=of_text(pc.utf8_lower(arrow(frame["workType"])), frame.index),
        available_at=moment(frame["scheduledTime"]),
        due_at=moment(frame["due"]),
        min_score=nothing(frame),
        max_score=number(frame["maxPoints"]),
        learning_outcome=nothing(frame),
        program_outcome=nothing(frame),
        is_finalized=pd.Series(None, index=frame.index, dtype="boolean"),
        status=_always(frame, "active").where(published, "inactive"),
        section=text(frame["courseId"]),
        course=nothing(frame),
    )


def grades(frame: pd.DataFrame) -> pd.DataFrame:
    """Of submissions with a grade that was given; a drafted one is the teacher's alone."""
    ungraded = pc.if_else(pc.is_null(arrow(frame["grade"])), "is not graded", pa.scalar(None, pa.string()))
    return _core(
        frame,
        modified=moment(frame["updateTime"]),
        skip=of_text(ungraded, frame.index),
        grade_type=_always(frame, "assignment_grade"),
        score=number(frame["grade"]),
        max_score=number(frame["maxPoints"]),
        letter_grade=nothing(frame),
        achievement=nothing(frame),
        comment=nothing(frame),
        is_override=pd.Series(None, index=frame.index, dtype="boolean"),
        graded_at=moment(frame["graded"]),
        status=_always(frame, "active"),
        student=text(frame["userId"]),
        assessment=text(frame["work"]),
        section=nothing(frame),
    )


def rubric_scores(frame: pd.DataFrame) -> pd.DataFrame:
    """Of what was given for each criterion of a rubric. Google says neither when, nor in more words than those of the
    level; and what is open has neither a level nor points.
    """
    nothing_given = pc.and_(pc.is_null(arrow(frame["level"])), pc.is_null(arrow(frame["points"])))
    unassessed = pc.if_else(nothing_given, "is not assessed by a rubric", pa.scalar(None, pa.string()))
    return _core(
        frame,
        modified=moment(frame["updateTime"]),
        skip=of_text(unassessed, frame.index),
        criterion=text(frame["criterion"]),
        level=text(frame["level"]),
        points=number(frame["points"]),
        max_points=number(frame["maxPoints"]),
        comment=nothing(frame),
        graded_at=pd.Series(pd.NaT, index=frame.index, dtype=MOMENT),
        status=_always(frame, "active"),
        student=text(frame["userId"]),
        assessment=text(frame["work"]),
    )


def submissions(frame: pd.DataFrame) -> pd.DataFrame:
    """Of submissions; Classroom counts no attempts."""
    return _core(
        frame,
        modified=moment(frame["updateTime"]),
        state=of_text(pc.utf8_lower(arrow(frame["state"])), frame.index),
        attempt=pd.Series(None, index=frame.index, dtype="Int64"),
        submitted_at=moment(frame["handed"]),
        grading_state=nothing(frame),
        status=_always(frame, "active"),
        student=text(frame["userId"]),
        assessment=text(frame["work"]),
    )


def _core(
    frame: pd.DataFrame,
    *,
    modified: pd.Series | None = None,
    deleted: pd.Series | None = None,
    skip: pd.Series | None = None,
    **fed: pd.Series,
) -> pd.DataFrame:
    """The columns every result has, and those that are fed."""
    none = pd.Series(data=False, index=frame.index, dtype=bool)
    every = {
        "external_id": text(frame["id"]),
        "modified_at": pd.Series(pd.NaT, index=frame.index, dtype=MOMENT) if modified is None else modified,
        "deleted": none if deleted is None else deleted.astype(bool),
        "skip": nothing(frame) if skip is None else skip,
    }
    return pd.DataFrame(every | fed)


def _person(frame: pd.DataFrame) -> dict[str, pd.Series]:
    return {
        "given_name": text(frame["givenName"]),
        "family_name": text(frame["familyName"]),
        "middle_name": nothing(frame),
        "preferred_name": nothing(frame),
        "username": nothing(frame),
        "email": text(frame["emailAddress"]),
        "phone": nothing(frame),
        "enabled": pd.Series(None, index=frame.index, dtype="boolean"),
        "status": _always(frame, "active"),
        "organization": nothing(frame),
    }


def _in_section(frame: pd.DataFrame) -> dict[str, pd.Series]:
    no_day = pd.Series(None, index=frame.index, dtype=DAY)
    return {"start_date": no_day, "end_date": no_day, "section": text(frame["courseId"])}


def _always(frame: pd.DataFrame, word: str) -> pd.Series:
    return pd.Series(word, index=frame.index, dtype=TEXT)


def _title(frame: pd.DataFrame) -> pd.Series:
    name, section = arrow(frame["name"]), arrow(frame["section"])
    both = pc.binary_join_element_wise(name, pc.binary_join_element_wise("(", section, ")", ""), " ")
    return of_text(pc.if_else(pc.is_null(section), name, both).cast(pa.string()), frame.index)
