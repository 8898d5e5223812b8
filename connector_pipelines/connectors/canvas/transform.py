"""Accepted Canvas rows to core columns. Pure: frames in, frames out, no row is added or left out.

Types of the result: text is pandas' `str` (missing: NaN), days are Arrow `date32` in the zone that the source names,
flags are nullable `boolean`, `modified_at` is UTC in microseconds, `deleted` is `bool`. Text is trimmed, an empty text
is missing, and names are in Unicode's composed form (NFC).
"""

from __future__ import annotations

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from connector_pipelines.series import DAY, TEXT, arrow, mapped, moment, nothing, number, of_text, text

DELETED = "deleted"
STATUSES = {"deleted": "inactive", "completed": "inactive"}
"""Of accounts, terms and courses; in every other state they are in use."""

ENROLLED = {
    "active": "enrolled",
    "invited": "enrolled",
    "creation_pending": "enrolled",
    "completed": "enrolled",
    "inactive": "withdrawn",
    "rejected": "dropped",
    "deleted": "dropped",
}
"""Requirement G46. Who completed a course was enrolled in it to its end."""

TEACHING = {"active": "active", "invited": "active", "creation_pending": "active", "completed": "active"}
_FIGURE = r"-?\d+(\.\d+)?%?"
"""A grade that says no more than the score."""

_SORTABLE = r"(?s)^([^,]*)(?:,(.*))?$"
TEACHERS = ("TeacherEnrollment", "TaEnrollment")


def organizations(frame: pd.DataFrame) -> pd.DataFrame:
    """Of accounts."""
    return _core(
        frame,
        deleted=_is(frame["workflow_state"], DELETED),
        name=text(frame["name"]),
        organization_type=nothing(frame),
        identifier=text(frame["sis_account_id"]),
        status=_status(frame["workflow_state"]),
        parent=text(frame["parent"]),
    )


def terms(frame: pd.DataFrame) -> pd.DataFrame:
    """Of enrollment terms; the default term has no days."""
    return _core(
        frame,
        deleted=_is(frame["workflow_state"], DELETED),
        title=text(frame["name"]),
        term_type=nothing(frame),
        start_date=_day(frame["start_at"], frame["zone"]),
        end_date=_day(frame["end_at"], frame["zone"]),
        school_year=nothing(frame),
        status=_status(frame["workflow_state"]),
        parent=nothing(frame),
    )


def courses(frame: pd.DataFrame) -> pd.DataFrame:
    """Of courses in every state."""
    return _core(
        frame,
        deleted=_is(frame["workflow_state"], DELETED),
        title=text(frame["name"]),
        course_code=text(frame["course_code"]),
        grades=nothing(frame),
        subjects=nothing(frame),
        status=_status(frame["workflow_state"]),
        organization=text(frame["account_id"]),
    )


def sections(frame: pd.DataFrame) -> pd.DataFrame:
    """Of sections, which have the term, the account and the state of their course."""
    return _core(
        frame,
        title=text(frame["name"]),
        section_code=text(frame["sis_section_id"]),
        section_type=nothing(frame),
        location=nothing(frame),
        grades=nothing(frame),
        subjects=nothing(frame),
        periods=nothing(frame),
        status=_status(frame["course_state"]),
        course=text(frame["course_id"]),
        organization=text(frame["account_id"]),
        term=text(frame["enrollment_term_id"]),
    )


def students(frame: pd.DataFrame) -> pd.DataFrame:
    """Of users who are a student anywhere."""
    return _core(frame, **_person(frame), student_number=text(frame["sis_user_id"]), grades=nothing(frame))


def instructors(frame: pd.DataFrame) -> pd.DataFrame:
    """Of users who are a teacher or a teaching assistant anywhere."""
    return _core(frame, **_person(frame), staff_number=text(frame["sis_user_id"]))


def enrollments(frame: pd.DataFrame) -> pd.DataFrame:
    """Of enrollments of students; those of teachers feed teaching_assignments."""
    return _core(
        frame,
        deleted=_is(frame["enrollment_state"], DELETED),
        modified=moment(frame["updated_at"]),
        skip=_other_types(frame["type"], ["StudentEnrollment"]),
        status=mapped(frame["enrollment_state"], ENROLLED),
        start_date=_begun(frame),
        end_date=_day(frame["end_at"], frame["zone"]),
        student=text(frame["user_id"]),
        section=text(frame["course_section_id"]),
    )


def teaching_assignments(frame: pd.DataFrame) -> pd.DataFrame:
    """Of enrollments of teachers and assistants. Canvas does not say who is the first of several teachers."""
    assists = _is(frame["type"], "TaEnrollment")
    return _core(
        frame,
        deleted=_is(frame["enrollment_state"], DELETED),
        modified=moment(frame["updated_at"]),
        skip=_other_types(frame["type"], TEACHERS),
        status=mapped(frame["enrollment_state"], TEACHING).fillna("inactive"),
        is_primary=pd.Series(pd.NA, index=frame.index, dtype="boolean").mask(assists, other=False),
        start_date=_begun(frame),
        end_date=_day(frame["end_at"], frame["zone"]),
        instructor=text(frame["user_id"]),
        section=text(frame["course_section_id"]),
    )


def assessments(frame: pd.DataFrame) -> pd.DataFrame:
    """Of assignments, quizzes and graded discussions; one that is not published is inactive."""
    most = number(frame["points_possible"])
    return _core(
        frame,
        deleted=_is(frame["workflow_state"], DELETED),
        modified=moment(frame["updated_at"]),
        title=text(frame["name"]),
        assessment_type=text(frame["kind"]),
        available_at=moment(frame["unlock_at"]),
        due_at=moment(frame["due_at"]),
        min_score=pd.Series("0", index=frame.index, dtype=TEXT).where(most.notna()),
        max_score=most,
        learning_outcome=nothing(frame),
        program_outcome=nothing(frame),
        is_finalized=pd.Series(pd.NA, index=frame.index, dtype="boolean"),
        status=mapped(frame["workflow_state"], {"published": "active"}).fillna("inactive"),
        section=nothing(frame),
        course=text(frame["course_id"]),
    )


def grades(frame: pd.DataFrame) -> pd.DataFrame:
    """Of submissions that were graded, handed in or not. Who is excused has no grade, also where there was one."""
    gone = _is(frame["workflow_state"], DELETED) | _is(frame["excused"], "True")
    graded = _is(frame["workflow_state"], "graded") & (frame["score"].notna() | frame["grade"].notna())
    given = text(frame["grade"])
    return _core(
        frame,
        deleted=gone,
        modified=moment(frame["graded_at"]),
        skip=_reason(~graded & ~gone, "is not graded"),
        grade_type=pd.Series("assignment_grade", index=frame.index, dtype=TEXT),
        score=number(frame["score"]),
        max_score=nothing(frame),
        letter_grade=given.where(~given.str.fullmatch(_FIGURE, na=False)),
        achievement=nothing(frame),
        comment=nothing(frame),
        is_override=pd.Series(pd.NA, index=frame.index, dtype="boolean"),
        graded_at=moment(frame["graded_at"]),
        status=_where(gone, "inactive", "active"),
        student=text(frame["user_id"]),
        assessment=text(frame["assignment_id"]),
        section=nothing(frame),
    )


def submissions(frame: pd.DataFrame) -> pd.DataFrame:
    """Of submissions that were handed in; what is to be done again is reopened."""
    handed, gone = moment(frame["submitted_at"]), _is(frame["workflow_state"], DELETED)
    again = _is(frame["redo_request"], "True")
    return _core(
        frame,
        deleted=gone,
        modified=pd.concat([handed, moment(frame["graded_at"])], axis=1).max(axis=1).astype(handed.dtype),
        skip=_reason(handed.isna() & ~gone, "was not handed in"),
        state=_where(again, "reopened", "submitted"),
        attempt=pd.to_numeric(frame["attempt"]).astype("Int64"),
        submitted_at=handed,
        grading_state=_where(_is(frame["workflow_state"], "graded"), "graded", "notgraded"),
        status=_where(gone, "inactive", "active"),
        student=text(frame["user_id"]),
        assessment=text(frame["assignment_id"]),
    )


def rubric_scores(frame: pd.DataFrame) -> pd.DataFrame:
    """Of what was given by rubrics. Who is excused has no score, also where there was one.

    When a score changed, Canvas does not say: it may be another one although the grade is as it was.
    """
    gone = _is(frame["workflow_state"], DELETED) | _is(frame["excused"], "True")
    criterion, level, comment = text(frame["criterion"]), text(frame["level"]), text(frame["comment"])
    points = number(frame["points"])
    still_open = level.isna() & points.isna() & comment.isna() & ~gone
    return _core(
        frame,
        deleted=gone,
        skip=_reason(still_open, "is not assessed").mask(criterion.isna(), "has a criterion that its rubric lost"),
        criterion=criterion,
        level=level,
        points=points,
        max_points=number(frame["max_points"]),
        comment=comment,
        graded_at=moment(frame["graded_at"]),
        status=_where(gone, "inactive", "active"),
        student=text(frame["user_id"]),
        assessment=text(frame["assignment_id"]),
    )


def _core(
    frame: pd.DataFrame,
    *,
    deleted: pd.Series | None = None,
    modified: pd.Series | None = None,
    skip: pd.Series | None = None,
    **fed: pd.Series,
) -> pd.DataFrame:
    """The columns every result has, and those that are fed."""
    every = {
        "external_id": text(frame["id"]),
        "modified_at": moment(nothing(frame)) if modified is None else modified,
        "deleted": pd.Series(data=False, index=frame.index, dtype=bool) if deleted is None else deleted,
        "skip": nothing(frame) if skip is None else skip,
    }
    return pd.DataFrame(every | fed)


def _person(frame: pd.DataFrame) -> dict[str, pd.Series]:
    """Names from their own fields, else from "Family, Given"; who has one name alone has it in both places."""
    name = text(frame["name"])
    sortable = text(frame["sortable_name"]).fillna(name).str.extract(_SORTABLE)
    family = text(frame["last_name"]).fillna(text(sortable[0])).fillna(name)
    short = text(frame["short_name"])
    return {
        "given_name": text(frame["first_name"]).fillna(text(sortable[1])).fillna(family),
        "family_name": family,
        "middle_name": nothing(frame),
        "preferred_name": short.where(short != name),
        "username": text(frame["login_id"]),
        "email": text(frame["email"]),
        "phone": nothing(frame),
        "enabled": pd.Series(pd.NA, index=frame.index, dtype="boolean"),
        "status": pd.Series("active", index=frame.index, dtype=TEXT),
        "organization": nothing(frame),
    }


def _status(states: pd.Series) -> pd.Series:
    return mapped(states, STATUSES).fillna("active")


def _is(values: pd.Series, word: str) -> pd.Series:
    said = pc.equal(arrow(values), word).fill_null(fill_value=False)
    return pd.Series(said.to_numpy(zero_copy_only=False), index=values.index, dtype=bool)


def _where(flags: pd.Series, yes: str, no: str) -> pd.Series:
    return pd.Series(no, index=flags.index, dtype=TEXT).mask(flags, yes)


def _reason(which: pd.Series, reason: str) -> pd.Series:
    """The reason for rows that belong elsewhere, null for the others."""
    return pd.Series(reason, index=which.index, dtype=TEXT).where(which)


def _begun(frame: pd.DataFrame) -> pd.Series:
    """The day from which somebody takes part; else that of the enrollment."""
    return _day(text(frame["start_at"]).fillna(text(frame["created_at"])), frame["zone"])


def _day(values: pd.Series, zones: pd.Series) -> pd.Series:
    """The day of a moment where the school is; all rows of a source name one zone."""
    zone = str(zones.iloc[0]) if len(zones) else "UTC"
    days = moment(values).dt.tz_convert(zone).dt.date
    return pd.Series(pd.array(days, dtype=DAY), index=values.index)


def _other_types(types: pd.Series, wanted: list[str] | tuple[str, ...]) -> pd.Series:
    """Why a row is skipped; null for the wanted types."""
    said = arrow(types)
    reason = pc.binary_join_element_wise("type", said, pa.scalar("belongs elsewhere"), " ")
    kept = pc.is_in(said, pa.array(list(wanted), pa.string()))
    return of_text(pc.if_else(kept, pa.scalar(None, pa.string()), reason), types.index)
