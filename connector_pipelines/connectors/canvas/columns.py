"""Which external columns a record has. Ids become text, whether they came as text or as numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connector_pipelines.connectors.canvas import rubrics

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from connector_pipelines.connectors.canvas import wire

    Columns = Mapping[str, Callable[[Any], object]]


def _id(value: str | int | None) -> str | None:
    return None if value is None else str(value)


def _flat(*names: str, ids: tuple[str, ...] = ()) -> dict[str, Callable[[Any], object]]:
    """Fields of the record itself, its id first."""
    return {name: _id_field(name) for name in ("id", *ids)} | {name: _field(name) for name in names}


def _field(name: str, of: str = "") -> Callable[[Any], object]:
    if not of:
        return lambda record: getattr(record, name)
    return lambda record: getattr(getattr(record, of), name, None)


def _id_field(name: str, of: str = "") -> Callable[[Any], object]:
    read = _field(name, of)
    return lambda record: _id(read(record))  # type: ignore[arg-type]


def _parent(record: wire.Placed) -> object:
    """The account above it; None for the one that is read, whose parent is not."""
    return None if record.top or record.account is None else _id(record.account.parent_account_id)


ACCOUNT_COLUMNS: Columns = {
    "id": _id_field("id", "account"),
    "name": _field("name", "account"),
    "sis_account_id": _field("sis_account_id", "account"),
    "workflow_state": _field("workflow_state", "account"),
    "parent": _parent,
}
COURSE_COLUMNS: Columns = _flat("name", "course_code", "workflow_state", ids=("account_id",))
SECTION_COLUMNS: Columns = {
    "id": _id_field("id", "section"),
    "name": _field("name", "section"),
    "sis_section_id": _field("sis_section_id", "section"),
    "course_id": _id_field("course_id", "section"),
    "account_id": _id_field("account_id", "course"),
    "enrollment_term_id": _id_field("enrollment_term_id", "course"),
    "course_state": _field("workflow_state", "course"),
}
USER_COLUMNS: Columns = _flat(
    "name", "sortable_name", "short_name", "first_name", "last_name", "sis_user_id", "login_id", "email"
)


def _kind(record: wire.Assignment) -> object:
    """What is done for it."""
    types = record.submission_types or ()
    return next((kind for told, kind in KINDS.items() if told in types), "assignment")


KINDS: Mapping[str, str] = {"online_quiz": "quiz", "discussion_topic": "discussion"}
ASSIGNMENT_COLUMNS: Columns = _flat(
    "name", "due_at", "unlock_at", "points_possible", "workflow_state", "updated_at", ids=("course_id",)
) | {"kind": _kind}
SUBMISSION_COLUMNS: Columns = _flat(
    "score",
    "grade",
    "attempt",
    "workflow_state",
    "submitted_at",
    "graded_at",
    "excused",
    "redo_request",
    ids=("assignment_id", "user_id"),
)
SCORE_COLUMNS: Columns = {
    "id": _field("id"),
    "assignment_id": _id_field("assignment_id", "submission"),
    "user_id": _id_field("user_id", "submission"),
    "workflow_state": _field("workflow_state", "submission"),
    "graded_at": _field("graded_at", "submission"),
    "excused": _field("excused", "submission"),
    "criterion": rubrics.criterion,
    "level": rubrics.level,
    "points": rubrics.points,
    "max_points": rubrics.most,
    "comment": _field("comments", "given"),
}


def term_columns(zone: str) -> Columns:
    """Those of a term.

    Args:
        zone: in which its days are meant.
    """
    return _flat("name", "start_at", "end_at", "workflow_state") | {"zone": lambda _: zone}


def enrollment_columns(zone: str) -> Columns:
    """Those of an enrollment.

    Args:
        zone: in which its days are meant.
    """
    fields = ("type", "enrollment_state", "created_at", "updated_at", "start_at", "end_at")
    return _flat(*fields, ids=("user_id", "course_section_id")) | {"zone": lambda _: zone}
