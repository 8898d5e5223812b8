"""Accepted OneRoster rows to core columns. Pure: frames in, frames out, no row is added or left out.

Types of the result: text is pandas' `str` (missing: NaN), days are Arrow `date32`, flags are nullable `boolean`,
`modified_at` is UTC in microseconds, `deleted` is `bool`. Text is trimmed, an empty text is missing, and names are
in Unicode's composed form (NFC), so that the same name from two systems is the same bytes.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from connector_pipelines.series import TEXT, arrow, day, moment, text

DELETED = "tobedeleted"


def organizations(frame: pd.DataFrame) -> pd.DataFrame:
    """Of orgs."""
    return _core(
        frame,
        name=text(frame["name"]),
        organization_type=text(frame["type"]),
        identifier=text(frame["identifier"]),
        status=_status(frame),
        parent=text(frame["parent"]),
    )


def terms(frame: pd.DataFrame) -> pd.DataFrame:
    """Of academicSessions of every type: a school year is a term with children."""
    return _core(
        frame,
        title=text(frame["title"]),
        term_type=text(frame["type"]),
        start_date=day(frame["startDate"]),
        end_date=day(frame["endDate"]),
        school_year=text(frame["schoolYear"]),
        status=_status(frame),
        parent=text(frame["parent"]),
    )


def courses(frame: pd.DataFrame) -> pd.DataFrame:
    """Of courses."""
    return _core(
        frame,
        title=text(frame["title"]),
        course_code=text(frame["courseCode"]),
        grades=text(frame["grades"]),
        subjects=text(frame["subjects"]),
        status=_status(frame),
        organization=text(frame["org"]),
    )


def sections(frame: pd.DataFrame) -> pd.DataFrame:
    """Of classes; of several terms the first counts."""
    return _core(
        frame,
        title=text(frame["title"]),
        section_code=text(frame["classCode"]),
        section_type=text(frame["classType"]),
        location=text(frame["location"]),
        grades=text(frame["grades"]),
        subjects=text(frame["subjects"]),
        periods=text(frame["periods"]),
        status=_status(frame),
        course=text(frame["course"]),
        organization=text(frame["school"]),
        term=text(frame["term"]),
    )


def students(frame: pd.DataFrame) -> pd.DataFrame:
    """Of users with the role student."""
    return _core(
        frame,
        **_person(frame),
        student_number=text(frame["identifier"]),
        grades=text(frame["grades"]),
        enabled=_flag(frame["enabledUser"]),
        status=_status(frame),
        organization=text(frame["org"]),
    )


def instructors(frame: pd.DataFrame) -> pd.DataFrame:
    """Of users with the role teacher."""
    return _core(
        frame,
        **_person(frame),
        staff_number=text(frame["identifier"]),
        enabled=_flag(frame["enabledUser"]),
        status=_status(frame),
        organization=text(frame["org"]),
    )


def enrollments(frame: pd.DataFrame) -> pd.DataFrame:
    """Of enrollments of students; those of teachers feed teaching_assignments."""
    return _core(
        frame,
        skip=_other_roles(frame["role"], "student", teacher="role teacher feeds teaching_assignments"),
        status=_where(_deleted(frame), "dropped", "enrolled"),
        start_date=day(frame["beginDate"]),
        end_date=day(frame["endDate"]),
        student=text(frame["user"]),
        section=text(frame["class"]),
    )


def teaching_assignments(frame: pd.DataFrame) -> pd.DataFrame:
    """Of enrollments of teachers; those of students feed enrollments."""
    return _core(
        frame,
        skip=_other_roles(frame["role"], "teacher", student="role student feeds enrollments"),
        status=_status(frame),
        is_primary=_flag(frame["primary"]),
        start_date=day(frame["beginDate"]),
        end_date=day(frame["endDate"]),
        instructor=text(frame["user"]),
        section=text(frame["class"]),
    )


def _core(frame: pd.DataFrame, *, skip: pd.Series | None = None, **fed: pd.Series) -> pd.DataFrame:
    """The columns every result has, and those that are fed."""
    nothing = pd.Series(None, index=frame.index, dtype=TEXT)
    every = {
        "external_id": text(frame["sourcedId"]),
        "modified_at": moment(frame["dateLastModified"]),
        "deleted": _deleted(frame),
        "skip": nothing if skip is None else skip,
    }
    return pd.DataFrame(every | fed)


def _person(frame: pd.DataFrame) -> dict[str, pd.Series]:
    return {
        "given_name": text(frame["givenName"]),
        "family_name": text(frame["familyName"]),
        "middle_name": text(frame["middleName"]),
        "preferred_name": text(frame["preferredFirstName"]),
        "username": text(frame["username"]),
        "email": text(frame["email"]),
        "phone": text(frame["phone"]),
    }


def _where(flags: pd.Series, yes: str, no: str) -> pd.Series:
    return pd.Series(np.where(flags, yes, no), index=flags.index, dtype=TEXT)


def _deleted(frame: pd.DataFrame) -> pd.Series:
    said = pc.equal(pc.utf8_lower(arrow(frame["status"])), DELETED)
    return pd.Series(said.fill_null(fill_value=False).to_numpy(zero_copy_only=False), index=frame.index, dtype=bool)


def _status(frame: pd.DataFrame) -> pd.Series:
    """Without a status, as in a bulk CSV, a record is active."""
    said = pc.is_in(pc.utf8_lower(arrow(frame["status"])), pa.array([DELETED, "inactive"]))
    return _where(pd.Series(said.to_numpy(zero_copy_only=False), index=frame.index), "inactive", "active")


def _flag(values: pd.Series) -> pd.Series:
    said = pc.equal(pc.utf8_lower(arrow(values)), "true")
    return pd.Series(said.to_pandas(types_mapper={pa.bool_(): pd.BooleanDtype()}.get).array, index=values.index)


def _other_roles(roles: pd.Series, wanted: str, **reasons: str) -> pd.Series:
    """Why a row is skipped; null for the wanted role."""
    said = arrow(roles)
    reason = pc.binary_join_element_wise("role", said, pa.scalar("has no place in core"), " ")
    for role, known in reasons.items():
        reason = pc.if_else(pc.equal(said, role), pa.scalar(known), reason)
    kept = pc.if_else(pc.equal(said, wanted), pa.scalar(None, pa.string()), reason)
    return pd.Series(pd.array(kept, dtype=TEXT), index=roles.index)
