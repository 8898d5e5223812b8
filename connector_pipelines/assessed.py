"""Which results go to another system, and what a level of achievement is called there (requirements G49, G51, K33).

What every destination of assessments shares: the settings people write in YAML, and the questions they answer about a
row of `core/extracts.py`. Pure.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from connector_pipelines.outward import Skipped, Unwanted
from connector_pipelines.pages import BadRow

if TYPE_CHECKING:
    from collections.abc import Mapping

    Row = Mapping[str, Any]


class Days(BaseModel):
    """A range of days, in UTC; both belong to it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    since: date | None = Field(default=None, description="Only what was graded on this day or later, in UTC.")
    until: date | None = Field(default=None, description="Only what was graded on this day or earlier, in UTC.")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.since and self.until and self.until < self.since:
            message = "until is before since"
            raise ValueError(message)
        return self

    def meet(self, first: date | None, last: date | None) -> bool:
        """Whether a span of days or times meets the range; what has no time meets only the whole of time."""
        if first is None or last is None:
            return self.since is None and self.until is None
        return (self.since is None or _day(last) >= self.since) and (self.until is None or _day(first) <= self.until)


def _day(moment: date) -> date:
    return moment.astimezone(UTC).date() if isinstance(moment, datetime) else moment


class Chosen(Days):
    """Which assessments and results are written."""

    finalized: bool = Field(
        default=True, description="Only assessments that are finalized. Outcomes are made of finalized results always."
    )

    def choose_result(self, row: Row) -> Skipped | Unwanted | None:
        """Results of finalized assessments within the dates; what was taken back is not wanted any more (G49)."""
        if not self.meet(row["graded_at"], row["graded_at"]):
            return Skipped("was not graded within the dates")
        if row["grade_type"] != "assignment_grade":
            return Skipped("is the grade of no assessment")
        if row["achievement"] is None and row["letter_grade"] is None and row["score"] is None:
            return Skipped("has neither outcome nor points")
        if row["assessment_status"] != "active":
            return Unwanted("the assessment is inactive")
        return self.final(row, "the grade is inactive")

    def choose_shown(self, row: Row) -> Skipped | None:
        """What was shown of an outcome within the dates."""
        return None if self.meet(row["graded_at"], row["graded_at"]) else Skipped("was not shown within the dates")

    def final(self, row: Row, inactive: str) -> Skipped | Unwanted | None:
        """Whether an assessment or a result stands, and need not wait until it is finalized."""
        if row["status"] != "active":
            return Unwanted(inactive)
        return Skipped("is not finalized") if self.finalized and not row["finalized"] else None


def called(levels: Mapping[str, Any], row: Row, what: str) -> Any:
    """What the level that was reached is called, or worth, in the other system.

    Args:
        levels: by level.
        row: with the level that was reached.
        what: the row belongs to, so that people find it.

    Raises:
        BadRow: a level that the configuration does not know (G51).
    """
    reached = row["achievement"]
    if reached not in levels:
        known = ", ".join(levels)
        raise BadRow("MAPPING_ERROR: unknown outcome", f"the outcome of {what} is not known; {known} are")
    return levels[reached]
