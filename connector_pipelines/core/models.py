"""The core tables, as SQLAlchemy models. Core is written through this package alone (requirements K6, G107).

A column with `fed()` is filled by sources; all others are core's own and no sync ever touches them (G66).
The sync columns of requirements F28-F31 are not stored here: the views `core.synced_<entity>` add them from mappings.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, Boolean, Date, DateTime, ForeignKey, Identity, Integer, MetaData, Numeric, Text, func
from sqlalchemy.orm import DeclarativeBase, Mapped, declared_attr, mapped_column
from sqlalchemy.types import TypeEngine

Kind = type[TypeEngine[Any]]


class Core(DeclarativeBase):
    """Base of the core models: the schema, a bigint identity (K4) and the model's own audit columns (G99)."""

    metadata = MetaData(schema="core")
    type_annotation_map = {  # noqa: RUF012 -- SQLAlchemy's own protocol
        str: Text,
        int: Integer,
        Decimal: Numeric,
        date: Date,
        bool: Boolean,
        datetime: DateTime(timezone=True),
    }

    @declared_attr
    def id(self) -> Mapped[int]:
        """Core's own key; never re-used."""
        return mapped_column(BigInteger, Identity(), primary_key=True, sort_order=-10)

    @declared_attr
    def notes(self) -> Mapped[str | None]:
        """Core's own: no source feeds it."""
        return mapped_column(Text, sort_order=90)

    @declared_attr
    def created_at(self) -> Mapped[datetime]:
        """When the row came into core."""
        return mapped_column(DateTime(timezone=True), server_default=func.now(), sort_order=91)

    @declared_attr
    def updated_at(self) -> Mapped[datetime]:
        """When core last changed the row."""
        return mapped_column(DateTime(timezone=True), server_default=func.now(), sort_order=92)


def fed(*, required: bool = False, **says: object) -> Any:
    """A column that sources fill.

    Args:
        required: never null.
        says: what the engine may know of it: `name=True` for a part of a person's name, `identifies=1` for the column
            that identifies the row best, 2 for the next, `final=value` where this value makes the row final.
    """
    return mapped_column(info={"fed": True} | says, nullable=not required)


def standing(*, inactive: str = "inactive") -> Any:
    """The status of a row: a column that sources fill.

    Args:
        inactive: the status of a row that is in use no more. Nothing is ever deleted.
    """
    return fed(required=True, inactive=inactive)


def points_to(table: str, *, required: bool = False) -> Any:
    """A column that sources fill with another row, named by its external id."""
    return mapped_column(
        BigInteger, ForeignKey(f"core.{table}.id"), info={"fed": True}, nullable=not required, index=True
    )


class Organization(Core):
    """A district, a school, a department."""

    __tablename__ = "organizations"
    name: Mapped[str] = fed(required=True)
    organization_type: Mapped[str | None] = fed()
    identifier: Mapped[str | None] = fed(identifies=1)
    status: Mapped[str] = standing()
    parent_id: Mapped[int | None] = points_to("organizations")


class Term(Core):
    """A span of the school calendar: year, semester, term, grading period."""

    __tablename__ = "terms"
    title: Mapped[str] = fed(required=True)
    term_type: Mapped[str | None] = fed()
    start_date: Mapped[date | None] = fed()
    end_date: Mapped[date | None] = fed()
    school_year: Mapped[str | None] = fed()
    status: Mapped[str] = standing()
    parent_id: Mapped[int | None] = points_to("terms")


class Course(Core):
    """What is taught, independent of when and to whom."""

    __tablename__ = "courses"
    title: Mapped[str] = fed(required=True)
    course_code: Mapped[str | None] = fed(identifies=1)
    grades: Mapped[str | None] = fed()
    subjects: Mapped[str | None] = fed()
    status: Mapped[str] = standing()
    organization_id: Mapped[int | None] = points_to("organizations")


class Section(Core):
    """A course as it is held: the class that people are enrolled in."""

    __tablename__ = "sections"
    title: Mapped[str] = fed(required=True)
    section_code: Mapped[str | None] = fed(identifies=1)
    section_type: Mapped[str | None] = fed()
    location: Mapped[str | None] = fed()
    grades: Mapped[str | None] = fed()
    subjects: Mapped[str | None] = fed()
    periods: Mapped[str | None] = fed()
    status: Mapped[str] = standing()
    course_id: Mapped[int | None] = points_to("courses")
    organization_id: Mapped[int | None] = points_to("organizations")
    term_id: Mapped[int | None] = points_to("terms")


class Student(Core):
    """A person who learns."""

    __tablename__ = "students"
    given_name: Mapped[str] = fed(required=True, name=True)
    family_name: Mapped[str] = fed(required=True, name=True)
    middle_name: Mapped[str | None] = fed()
    preferred_name: Mapped[str | None] = fed()
    username: Mapped[str | None] = fed(identifies=3)
    email: Mapped[str | None] = fed(identifies=2)
    phone: Mapped[str | None] = fed()
    student_number: Mapped[str | None] = fed(identifies=1)
    grades: Mapped[str | None] = fed()
    enabled: Mapped[bool | None] = fed()
    status: Mapped[str] = standing()
    organization_id: Mapped[int | None] = points_to("organizations")


class Instructor(Core):
    """A person who teaches."""

    __tablename__ = "instructors"
    given_name: Mapped[str] = fed(required=True, name=True)
    family_name: Mapped[str] = fed(required=True, name=True)
    middle_name: Mapped[str | None] = fed()
    preferred_name: Mapped[str | None] = fed()
    username: Mapped[str | None] = fed(identifies=3)
    email: Mapped[str | None] = fed(identifies=2)
    phone: Mapped[str | None] = fed()
    staff_number: Mapped[str | None] = fed(identifies=1)
    enabled: Mapped[bool | None] = fed()
    status: Mapped[str] = standing()
    organization_id: Mapped[int | None] = points_to("organizations")


class Enrollment(Core):
    """A student in a section. `status`: enrolled, dropped or withdrawn (requirement G46)."""

    __tablename__ = "enrollments"
    status: Mapped[str] = standing(inactive="dropped")
    start_date: Mapped[date | None] = fed()
    end_date: Mapped[date | None] = fed()
    student_id: Mapped[int] = points_to("students", required=True)
    section_id: Mapped[int] = points_to("sections", required=True)


class TeachingAssignment(Core):
    """An instructor of a section."""

    __tablename__ = "teaching_assignments"
    status: Mapped[str] = standing()
    is_primary: Mapped[bool | None] = fed()
    start_date: Mapped[date | None] = fed()
    end_date: Mapped[date | None] = fed()
    instructor_id: Mapped[int] = points_to("instructors", required=True)
    section_id: Mapped[int] = points_to("sections", required=True)


class Vendor(Core):
    """Somebody who sells to us."""

    __tablename__ = "vendors"
    name: Mapped[str] = fed(required=True)
    contact_email: Mapped[str | None] = fed(identifies=2)
    phone: Mapped[str | None] = fed()
    website: Mapped[str | None] = fed()
    address: Mapped[str | None] = fed()
    account_number: Mapped[str | None] = fed(identifies=1)
    lead_time_days: Mapped[int | None] = fed()
    currency: Mapped[str | None] = fed()
    status: Mapped[str] = standing()


class InventoryItem(Core):
    """Something that is bought, kept and sold. Quantities are in the item's own unit, costs in `currency`."""

    __tablename__ = "inventory_items"
    sku: Mapped[str | None] = fed(identifies=1)
    name: Mapped[str] = fed(required=True)
    description: Mapped[str | None] = fed()
    item_type: Mapped[str | None] = fed()
    category: Mapped[str | None] = fed()
    barcode: Mapped[str | None] = fed(identifies=2)
    unit_cost: Mapped[Decimal | None] = fed()
    unit_price: Mapped[Decimal | None] = fed()
    currency: Mapped[str | None] = fed()
    quantity_on_hand: Mapped[Decimal | None] = fed()
    quantity_on_order: Mapped[Decimal | None] = fed()
    quantity_reserved: Mapped[Decimal | None] = fed()
    reorder_point: Mapped[Decimal | None] = fed()
    status: Mapped[str] = standing()
    preferred_vendor_id: Mapped[int | None] = points_to("vendors")


class PurchaseOrder(Core):
    """What was ordered from a vendor. `status`: draft, open, closed or cancelled."""

    __tablename__ = "purchase_orders"
    order_number: Mapped[str | None] = fed(identifies=1)
    order_date: Mapped[date | None] = fed()
    expected_date: Mapped[date | None] = fed()
    total_amount: Mapped[Decimal | None] = fed()
    currency: Mapped[str | None] = fed()
    memo: Mapped[str | None] = fed()
    status: Mapped[str] = standing()
    vendor_id: Mapped[int | None] = points_to("vendors")


class PurchaseOrderLine(Core):
    """One line of a purchase order."""

    __tablename__ = "purchase_order_lines"
    line_number: Mapped[int | None] = fed()
    description: Mapped[str | None] = fed()
    quantity: Mapped[Decimal | None] = fed()
    quantity_received: Mapped[Decimal | None] = fed()
    unit_price: Mapped[Decimal | None] = fed()
    amount: Mapped[Decimal | None] = fed()
    status: Mapped[str] = standing()
    purchase_order_id: Mapped[int] = points_to("purchase_orders", required=True)
    inventory_item_id: Mapped[int | None] = points_to("inventory_items")


class Assessment(Core):
    """Something that is graded: an assignment, a quiz, the total of a section or of a course.

    `learning_outcome` and `program_outcome` are the codes of what it shows that somebody has learned.
    """

    __tablename__ = "assessments"
    title: Mapped[str] = fed(required=True)
    assessment_type: Mapped[str | None] = fed()
    available_at: Mapped[datetime | None] = fed()
    due_at: Mapped[datetime | None] = fed()
    min_score: Mapped[Decimal | None] = fed()
    max_score: Mapped[Decimal | None] = fed()
    learning_outcome: Mapped[str | None] = fed()
    program_outcome: Mapped[str | None] = fed()
    is_finalized: Mapped[bool | None] = fed()
    status: Mapped[str] = standing()
    section_id: Mapped[int | None] = points_to("sections")
    course_id: Mapped[int | None] = points_to("courses")


class Grade(Core):
    """What a student was given: for an assessment, for a section, or at the end.

    `grade_type`: assignment_grade, section_total or course_total, the final grade (requirement M50). `achievement` is
    the level reached: Exceeded, Met, Partially Met or Not Met. An override was set by a person and stands against what
    was computed. Scores are points between the assessment's least and most.
    """

    __tablename__ = "grades"
    grade_type: Mapped[str] = fed(required=True, final="course_total")
    score: Mapped[Decimal | None] = fed()
    max_score: Mapped[Decimal | None] = fed()
    letter_grade: Mapped[str | None] = fed()
    achievement: Mapped[str | None] = fed()
    comment: Mapped[str | None] = fed()
    is_override: Mapped[bool | None] = fed(final=True)
    graded_at: Mapped[datetime | None] = fed()
    status: Mapped[str] = standing()
    student_id: Mapped[int] = points_to("students", required=True)
    assessment_id: Mapped[int | None] = points_to("assessments")
    section_id: Mapped[int | None] = points_to("sections")


class RubricScore(Core):
    """What a student was given for one criterion of an assessment's rubric (requirement G95).

    `criterion` says what was looked at, `level` the level reached, each in the words of its system. `max_points` are
    those of the best level; some systems let teachers give more. Where a rubric has no points there are none.
    """

    __tablename__ = "rubric_scores"
    criterion: Mapped[str] = fed(required=True)
    level: Mapped[str | None] = fed()
    points: Mapped[Decimal | None] = fed()
    max_points: Mapped[Decimal | None] = fed()
    comment: Mapped[str | None] = fed()
    graded_at: Mapped[datetime | None] = fed()
    status: Mapped[str] = standing()
    student_id: Mapped[int] = points_to("students", required=True)
    assessment_id: Mapped[int] = points_to("assessments", required=True)


class Submission(Core):
    """What a student handed in. `state`: new, draft, submitted or reopened; `attempt` counts from 1."""

    __tablename__ = "submissions"
    state: Mapped[str] = fed(required=True)
    attempt: Mapped[int | None] = fed()
    submitted_at: Mapped[datetime | None] = fed()
    grading_state: Mapped[str | None] = fed()
    status: Mapped[str] = standing()
    student_id: Mapped[int] = points_to("students", required=True)
    assessment_id: Mapped[int] = points_to("assessments", required=True)


class Engagement(Core):
    """When a student last logged in to a learning platform, and was last in a course or section there (M38)."""

    __tablename__ = "engagement"
    last_login_at: Mapped[datetime | None] = fed()
    last_access_at: Mapped[datetime | None] = fed()
    status: Mapped[str] = standing()
    student_id: Mapped[int] = points_to("students", required=True)
    section_id: Mapped[int | None] = points_to("sections")
    course_id: Mapped[int | None] = points_to("courses")
