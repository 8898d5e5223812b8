"""Academic sessions: two school years, each of two semesters, each of two terms, each of two grading periods."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

YEARS = 2  # the year before, which nothing refers to, and the running one
JULY = 7


@dataclass(frozen=True, slots=True)
class Session:
    """One academic session; parent and children are indices. Ends are the last day of the session."""

    index: int
    title: str
    kind: str
    start: date
    end: date
    school_year: int
    parent: int | None
    children: tuple[int, ...]


def school_year(day: date) -> int:
    """The calendar year in which the school year of a day ends (contract 1.1: schoolYear)."""
    return day.year + 1 if day.month >= JULY else day.year


def sessions(start: date) -> tuple[Session, ...]:
    """The sessions of the school year of `start` and of the year before; the running year comes first."""
    made: list[Session] = []
    for year in range(school_year(start), school_year(start) - YEARS, -1):
        span = date(year - 1, 8, 16), date(year, 6, 15)
        _split(made, ("schoolYear", f"{year - 1}-{year}"), year, span)
    return tuple(made)


PARTS = {"schoolYear": ("semester", "Semester"), "semester": ("term", "Quarter"), "term": ("gradingPeriod", "Period")}


def _split(
    made: list[Session], named: tuple[str, str], year: int, span: tuple[date, date], parent: int | None = None
) -> int:
    """Append a session and, before anything else is appended, all that lies in it; returns its index."""
    index, (kind, title) = len(made), named
    made.append(Session(index, title, kind, *span, year, parent, ()))
    if kind in PARTS:
        part, name = PARTS[kind]
        middle = span[0] + (span[1] - span[0]) // 2
        halves = ((span[0], middle), (middle + timedelta(days=1), span[1]))
        children = tuple(
            _split(made, (part, f"{title} {name} {number}"), year, half, index) for number, half in enumerate(halves, 1)
        )
        made[index] = Session(index, title, kind, *span, year, parent, children)
    return index


def taught_in(all_sessions: tuple[Session, ...], number: int) -> tuple[int, ...]:
    """The terms of a class of a round: every third course runs all year, the others one semester."""
    terms = tuple(s.index for s in all_sessions[: len(all_sessions) // YEARS] if s.kind == "term")
    half = len(terms) // 2
    return (terms, terms[:half], terms[half:])[number % 3]
