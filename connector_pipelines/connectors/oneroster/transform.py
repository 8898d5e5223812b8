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

DELETED = "tobedeleted"
_TEXT = pd.StringDtype("pyarrow", na_value=np.nan)
_DAY = pd.ArrowDtype(pa.date32())
_MODIFIED = pd.DatetimeTZDtype("us", "UTC")


def organizations(frame: pd.DataFrame) -> pd.DataFrame:
    """Of orgs."""
    return _core(
        frame,
        name=_text(frame["name"]),
        organization_type=_text(frame["type"]),
        identifier=_text(frame["identifier"]),
        status=_status(frame),
        parent=_text(frame["parent"]),
    )


def terms(frame: pd.DataFrame) -> pd.DataFrame:
    """Of academicSessions of every type: a school year is a term with children."""
    return _core(
        frame,
        title=_text(frame["title"]),
        term_type=_text(frame["type"]),
        start_date=_day(frame["startDate"]),
        end_date=_day(frame["endDate"]),
        school_year=_text(frame["schoolYear"]),
        status=_status(frame),
        parent=_text(frame["parent"]),
    )


def courses(frame: pd.DataFrame) -> pd.DataFrame:
    """Of courses."""
    return _core(
        frame,
        title=_text(frame["title"]),
        course_code=_text(frame["courseCode"]),
        grades=_text(frame["grades"]),
        subjects=_text(frame["subjects"]),
        status=_status(frame),
        organization=_text(frame["org"]),
    )


def sections(frame: pd.DataFrame) -> pd.DataFrame:
    """Of classes; of several terms the first counts."""
    return _core(
        frame,
        title=_text(frame["title"]),
        section_code=_text(frame["classCode"]),
        section_type=_text(frame["classType"]),
        location=_text(frame["location"]),
        grades=_text(frame["grades"]),
        subjects=_text(frame["subjects"]),
        periods=_text(frame["periods"]),
        status=_status(frame),
        course=_text(frame["course"]),
        organization=_text(frame["school"]),
        term=_text(frame["term"]),
    )


def students(frame: pd.DataFrame) -> pd.DataFrame:
    """Of users with the role student."""
    return _core(
        frame,
        **_person(frame),
        student_number=_text(frame["identifier"]),
        grades=_text(frame["grades"]),
        enabled=_flag(frame["enabledUser"]),
        status=_status(frame),
        organization=_text(frame["org"]),
    )


def instructors(frame: pd.DataFrame) -> pd.DataFrame:
    """Of users with the role teacher."""
    return _core(
        frame,
        **_person(frame),
        staff_number=_text(frame["identifier"]),
        enabled=_flag(frame["enabledUser"]),
        status=_status(frame),
        organization=_text(frame["org"]),
    )


def enrollments(frame: pd.DataFrame) -> pd.DataFrame:
    """Of enrollments of students; those of teachers feed teaching_assignments."""
    return _core(
        frame,
        skip=_other_roles(frame["role"], "student", teacher="role teacher feeds teaching_assignments"),
        status=_where(_deleted(frame), "dropped", "enrolled"),
        start_date=_day(frame["beginDate"]),
        end_date=_day(frame["endDate"]),
        student=_text(frame["user"]),
        section=_text(frame["class"]),
    )


def teaching_assignments(frame: pd.DataFrame) -> pd.DataFrame:
    """Of enrollments of teachers; those of students feed enrollments."""
    return _core(
        frame,
        skip=_other_roles(frame["role"], "teacher", student="role student feeds enrollments"),
        status=_status(frame),
        is_primary=_flag(frame["primary"]),
        start_date=_day(frame["beginDate"]),
        end_date=_day(frame["endDate"]),
        instructor=_text(frame["user"]),
        section=_text(frame["class"]),
    )


def _core(frame: pd.DataFrame, *, skip: pd.Series | None = None, **fed: pd.Series) -> pd.DataFrame:
    """The columns every result has, and those that are fed."""
    nothing = pd.Series(None, index=frame.index, dtype=_TEXT)
    every = {
        "external_id": _text(frame["sourcedId"]),
        "modified_at": _moment(frame["dateLastModified"]),
        "deleted": _deleted(frame),
        "skip": nothing if skip is None else skip,
    }
    return pd.DataFrame(every | fed)


def _person(frame: pd.DataFrame) -> dict[str, pd.Series]:
    return {
        "given_name": _text(frame["givenName"]),
        "family_name": _text(frame["familyName"]),
        "middle_name": _text(frame["middleName"]),
        "preferred_name": _text(frame["preferredFirstName"]),
        "username": _text(frame["username"]),
        "email": _text(frame["email"]),
        "phone": _text(frame["phone"]),
    }


def _arrow(values: pd.Series) -> pa.Array:
    """Trimmed, composed, an empty text as null."""
    array = pa.array(values, type=pa.string(), from_pandas=True)
    trimmed = pc.utf8_trim_whitespace(array)
    if not pc.all(pc.string_is_ascii(trimmed), skip_nulls=True).as_py():
        trimmed = pc.utf8_normalize(trimmed, form="NFC")
    return pc.if_else(pc.equal(trimmed, ""), pa.scalar(None, pa.string()), trimmed)


def _text(values: pd.Series) -> pd.Series:
    return pd.Series(pd.array(_arrow(values), dtype=_TEXT), index=values.index)


def _where(flags: pd.Series, yes: str, no: str) -> pd.Series:
    return pd.Series(np.where(flags, yes, no), index=flags.index, dtype=_TEXT)


def _deleted(frame: pd.DataFrame) -> pd.Series:
    said = pc.equal(pc.utf8_lower(_arrow(frame["status"])), DELETED)
    return pd.Series(said.fill_null(fill_value=False).to_numpy(zero_copy_only=False), index=frame.index, dtype=bool)


def _status(frame: pd.DataFrame) -> pd.Series:
    """Without a status, as in a bulk CSV, a record is active."""
    said = pc.is_in(pc.utf8_lower(_arrow(frame["status"])), pa.array([DELETED, "inactive"]))
    return _where(pd.Series(said.to_numpy(zero_copy_only=False), index=frame.index), "inactive", "active")


def _flag(values: pd.Series) -> pd.Series:
    said = pc.equal(pc.utf8_lower(_arrow(values)), "true")
    return pd.Series(said.to_pandas(types_mapper={pa.bool_(): pd.BooleanDtype()}.get).array, index=values.index)


def _day(values: pd.Series) -> pd.Series:
    """Of a day, or of the time stamp that some servers send for one, the day."""
    days = pc.utf8_slice_codeunits(_arrow(values), 0, 10).cast(pa.date32())
    return pd.Series(pd.array(days, dtype=_DAY), index=values.index)


def _moment(values: pd.Series) -> pd.Series:
    """A time without zone is UTC."""
    moments: pd.Series = pd.to_datetime(values.replace("", None), format="ISO8601", utc=True, errors="coerce")
    return moments.astype(_MODIFIED)


def _other_roles(roles: pd.Series, wanted: str, **reasons: str) -> pd.Series:
    """Why a row is skipped; null for the wanted role."""
    said = _arrow(roles)
    reason = pc.binary_join_element_wise("role", said, pa.scalar("has no place in core"), " ")
    for role, known in reasons.items():
        reason = pc.if_else(pc.equal(said, role), pa.scalar(known), reason)
    kept = pc.if_else(pc.equal(said, wanted), pa.scalar(None, pa.string()), reason)
    return pd.Series(pd.array(kept, dtype=_TEXT), index=roles.index)
