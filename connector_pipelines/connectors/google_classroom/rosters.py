"""From course to course: Classroom lists nobody across courses.

A roster tells nothing of who left, so only a walk over all courses to their ends proves that somebody is in none. What
could not be read on the way is never taken for empty: a course that we may not see ends the read, in Google's words;
one that went away between list and roster is named in the log and leaves the read unproven, so that nothing is
concluded from who does not come.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from typing import TYPE_CHECKING

from connector_pipelines.connectors.google_classroom import wire
from connector_pipelines.connectors.google_classroom.answers import NotThere
from connector_pipelines.errors import RefusedBySource
from connector_pipelines.external.paginate import side_by_side
from connector_pipelines.external.passes import MAX_PASSES, Passes

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping

    from connector_pipelines.connectors.google_classroom.client import Classroom
    from connector_pipelines.connectors.google_classroom.wire import Course, Split
    from connector_pipelines.pages import Page, Stability


@dataclass(slots=True)
class Walk:
    """One walk over the rosters of all courses.

    Attributes:
        classroom: the open domain.
        listed: one pass over the list of courses.
        roster: one pass over the roster of a course.
        split: a page of a roster to its records.
        watched: read until nothing is in doubt: what does not come is to be proven absent.
    """

    classroom: Classroom
    listed: Callable[[], Iterator[Page]]
    roster: Callable[[Course], Iterator[Page]]
    split: Split
    watched: bool = False
    _passes: Passes = field(default_factory=Passes)
    _gone: list[str] = field(default_factory=list)

    @property
    def stability(self) -> Stability | None:
        """What the walk was, once it is over; None where nobody watched and nothing was noticed."""
        return self._passes.stability if self.watched or self._passes.torn else None

    def pages(self) -> Generator[Page]:
        """All pages of all rosters, numbered from 1.

        Raises:
            SyncError: whatever reading raises.
            RefusedBySource: a roster is said not to be there, and its course still is.
        """
        numbers = count(1)
        for page in self._walked():
            yield replace(page, number=next(numbers))
        self._settle_gone()

    def _walked(self) -> Generator[Page]:
        """One walk; where it is watched the list is read again until it is as it was, and what is new in it walked."""
        width, seen = self.classroom.config.in_flight, set[str]()
        before: set[str] | None = None
        for _ in range(MAX_PASSES if self.watched else 1):
            courses = self._courses()
            yield from side_by_side((one for key, one in courses.items() if key not in seen), self._read, width)
            seen |= set(courses)
            if not self.watched or before == set(courses):
                return
            self._passes.moved |= before is not None
            before = set(courses)
        self._passes.torn = True

    def _courses(self) -> Mapping[str, Course]:
        """The courses by id, each once.

        Raises:
            BrokenPage: the id of one cannot be read, so that nobody knows whose roster is missing.
        """
        return {str(course.id): course for page in self.listed() for course in map(wire.listed_course, page.rows)}

    def _read(self, course: Course) -> list[Page]:
        """The whole roster of a course; none where it is not there any more. Called from threads."""
        try:
            once = partial(self.roster, course)
            return list(self._passes.pages(once, wire.ids(self.split)) if self.watched else once())
        except NotThere:
            self._gone.append(str(course.id))
            return []

    def _settle_gone(self) -> None:
        """Were they deleted meanwhile? Then the list has them no more."""
        if not self._gone:
            return
        still = set(self._courses())
        for gone in self._gone:
            if gone in still:
                raise RefusedBySource(
                    f"course {gone} is listed, and Google knows no roster of it.",
                    remedy="Look at the course in Classroom, and read again.",
                )
            self._passes.torn = True
            why = "nothing is concluded from who is not in this read"
            self.classroom.http.log.warning("course %s was deleted between the list and its roster: %s", gone, why)
