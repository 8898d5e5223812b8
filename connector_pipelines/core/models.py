"""The core tables: which columns they have, and what these mean. Core is written through this package alone
(requirements K6, G107).

What stands here is filled by sources. All tables have columns of core's own, too, which no sync ever touches (G66). The
sync columns of requirements F28-F31 are not stored: the views `core.synced_<entity>` add them from mappings.

Plain Python, because every command imports it: SQLAlchemy takes a quarter of a second for that, and nothing but Alembic
needs it. A test holds the migrations to these tables.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from functools import partial

TEXT = "TEXT"
MOMENT = "TIMESTAMP WITH TIME ZONE"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of core.

    Attributes:
        kind: its PostgreSQL type.
        required: never null.
        points_to: the table to whose rows it points; sources name such a row by its external id.
        identifies: 1 for the column that tells best who or what a row is, 2 for the next; 0 for all that do not.
        of_a_name: a part of a person's name.
        final: the value that makes the row final; None where none does.
        inactive: of a status: the word for a row that is in use no more. Nothing is ever deleted.
    """

    name: str
    kind: str
    _: KW_ONLY
    required: bool = False
    points_to: str = ""
    identifies: int = 0
    of_a_name: bool = False
    final: str | bool | None = None
    inactive: str = ""


text = partial(Column, kind=TEXT)
whole = partial(Column, kind="INTEGER")
number = partial(Column, kind="NUMERIC")
flag = partial(Column, kind="BOOLEAN")
day = partial(Column, kind="DATE")
moment = partial(Column, kind=MOMENT)
pointer = partial(Column, kind="BIGINT")


def status(*, inactive: str = "inactive") -> Column:
    """The status of a row, which every table has."""
    return text("status", required=True, inactive=inactive)


ID = Column("id", "BIGINT", required=True)
"""Core's own key (K4); never re-used."""

OWN = (text("notes"), moment("created_at", required=True), moment("updated_at", required=True))
"""Core's own: what people note, when the row came into core, and when core last changed it (G99)."""


class Table:
    """A table of core.

    Attributes:
        about: what a row of it is.
        columns: those that sources fill.
    """

    def __init__(self, name: str, about: str, *columns: Column) -> None:
        self.name = name
        self.about = about
        self.columns = columns

    @property
    def every(self) -> tuple[Column, ...]:
        """All its columns, in their order."""
        return (ID, *self.columns, *OWN)


TABLES = (
    Table(
        "organizations",
        "A district, a school, a department.",
        text("name", required=True),
        text("organization_type"),
        text("identifier", identifies=1),
        status(),
        pointer("parent_id", points_to="organizations"),
    ),
    Table(
        "terms",
        "A span of the school calendar: year, semester, term, grading period.",
        text("title", required=True),
        text("term_type"),
        day("start_date"),
        day("end_date"),
        text("school_year"),
        status(),
        pointer("parent_id", points_to="terms"),
    ),
    Table(
        "courses",
        "What is taught, independent of when and to whom.",
        text("title", required=True),
        text("course_code", identifies=1),
        text("grades"),
        text("subjects"),
        status(),
        pointer("organization_id", points_to="organizations"),
    ),
    Table(
        "sections",
        "A course as it is held: the class that people are enrolled in.",
        text("title", required=True),
        text("section_code", identifies=1),
        text("section_type"),
        text("location"),
        text("grades"),
        text("subjects"),
        text("periods"),
        status(),
        pointer("course_id", points_to="courses"),
        pointer("organization_id", points_to="organizations"),
        pointer("term_id", points_to="terms"),
    ),
    Table(
        "students",
        "A person who learns.",
        text("given_name", required=True, of_a_name=True),
        text("family_name", required=True, of_a_name=True),
        text("middle_name"),
        text("preferred_name"),
        text("username", identifies=3),
        text("email", identifies=2),
        text("phone"),
        text("student_number", identifies=1),
        text("grades"),
        flag("enabled"),
        status(),
        pointer("organization_id", points_to="organizations"),
    ),
    Table(
        "instructors",
        "A person who teaches.",
        text("given_name", required=True, of_a_name=True),
        text("family_name", required=True, of_a_name=True),
        text("middle_name"),
        text("preferred_name"),
        text("username", identifies=3),
        text("email", identifies=2),
        text("phone"),
        text("staff_number", identifies=1),
        flag("enabled"),
        status(),
        pointer("organization_id", points_to="organizations"),
    ),
    Table(
        "enrollments",
        "A student in a section. `status`: enrolled, dropped or withdrawn.",  # G46
        status(inactive="dropped"),
        day("start_date"),
        day("end_date"),
        pointer("student_id", points_to="students", required=True),
        pointer("section_id", points_to="sections", required=True),
    ),
    Table(
        "teaching_assignments",
        "An instructor of a section.",
        status(),
        flag("is_primary"),
        day("start_date"),
        day("end_date"),
        pointer("instructor_id", points_to="instructors", required=True),
        pointer("section_id", points_to="sections", required=True),
    ),
    Table(
        "vendors",
        "Somebody who sells to us.",
        text("name", required=True),
        text("contact_email", identifies=2),
        text("phone"),
        text("website"),
        text("address"),
        text("account_number", identifies=1),
        whole("lead_time_days"),
        text("currency"),
        status(),
    ),
    Table(
        "inventory_items",
        "Something that is bought, kept and sold. Quantities are in the item's own unit, costs in `currency`.",
        text("sku", identifies=1),
        text("name", required=True),
        text("description"),
        text("item_type"),
        text("category"),
        text("barcode", identifies=2),
        number("unit_cost"),
        number("unit_price"),
        text("currency"),
        number("quantity_on_hand"),
        number("quantity_on_order"),
        number("quantity_reserved"),
        number("reorder_point"),
        status(),
        pointer("preferred_vendor_id", points_to="vendors"),
    ),
    Table(
        "purchase_orders",
        "What was ordered from a vendor. `status`: draft, open, closed or cancelled.",
        text("order_number", identifies=1),
        day("order_date"),
        day("expected_date"),
        number("total_amount"),
        text("currency"),
        text("memo"),
        status(),
        pointer("vendor_id", points_to="vendors"),
    ),
    Table(
        "purchase_order_lines",
        "One line of a purchase order.",
        whole("line_number"),
        text("description"),
        number("quantity"),
        number("quantity_received"),
        number("unit_price"),
        number("amount"),
        status(),
        pointer("purchase_order_id", points_to="purchase_orders", required=True),
        pointer("inventory_item_id", points_to="inventory_items"),
    ),
    Table(
        "assessments",
        "Something that is graded: an assignment, a quiz, the total of a section or of a course. "
        "`learning_outcome` and `program_outcome` are the codes of what it shows that somebody has learned.",
        text("title", required=True),
        text("assessment_type"),
        moment("available_at"),
        moment("due_at"),
        number("min_score"),
        number("max_score"),
        text("learning_outcome"),
        text("program_outcome"),
        flag("is_finalized"),
        status(),
        pointer("section_id", points_to="sections"),
        pointer("course_id", points_to="courses"),
    ),
    Table(
        "grades",
        "What a student was given: for an assessment, for a section, or at the end. `grade_type`: "
        "assignment_grade, section_total or course_total, the final grade. `achievement` is the level reached: "
        "Exceeded, Met, Partially Met or Not Met. An override was set by a person and stands against what was "
        "computed. Scores are points between the assessment's least and most.",  # M50
        text("grade_type", required=True, final="course_total"),
        number("score"),
        number("max_score"),
        text("letter_grade"),
        text("achievement"),
        text("comment"),
        flag("is_override", final=True),
        moment("graded_at"),
        status(),
        pointer("student_id", points_to="students", required=True),
        pointer("assessment_id", points_to="assessments"),
        pointer("section_id", points_to="sections"),
    ),
    Table(
        "rubric_scores",
        "What a student was given for one criterion of an assessment's rubric. `criterion` says what was looked at, "
        "`level` the level reached, each in the words of its system. `max_points` are those of the best level; some "
        "systems let teachers give more. Where a rubric has no points there are none.",  # G95
        text("criterion", required=True),
        text("level"),
        number("points"),
        number("max_points"),
        text("comment"),
        moment("graded_at"),
        status(),
        pointer("student_id", points_to="students", required=True),
        pointer("assessment_id", points_to="assessments", required=True),
    ),
    Table(
        "submissions",
        "What a student handed in. `state`: new, draft, submitted or reopened; `attempt` counts from 1.",
        text("state", required=True),
        whole("attempt"),
        moment("submitted_at"),
        text("grading_state"),
        status(),
        pointer("student_id", points_to="students", required=True),
        pointer("assessment_id", points_to="assessments", required=True),
    ),
    Table(
        "engagement",
        "When a student last logged in to a learning platform, and was last in a course or section there.",  # M38
        moment("last_login_at"),
        moment("last_access_at"),
        status(),
        pointer("student_id", points_to="students", required=True),
        pointer("section_id", points_to="sections"),
        pointer("course_id", points_to="courses"),
    ),
)
"""Parents before children, and sections before the many people, so that PostgreSQL has something to plan while those
are read.
"""
