"""How a world changes from version to version, without remembering a single record.

A *step* leads from one version to the next: it touches a share of the users, classes and enrollments (chosen by hash),
and adds some. A record's state is the fold of the steps that touch it, and its dateLastModified is the instant of the
last of them, so that both follow from (seed, steps, index) alone and can be computed for one record or, vectorized, for
a million.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from connector_pipelines.connectors.oneroster.simulator.hashing import Hashes, Indices, Mask, below, hashes, key

if TYPE_CHECKING:
    from connector_pipelines.connectors.oneroster.simulator.shape import Shape

EVOLVING = ("users", "classes", "enrollments")
DELETED_PERCENT = {"users": 10, "classes": 10, "enrollments": 30}  # of the touched records
ADDED_SHARE = 0.1  # new students and classes per touched one
MILLION = 1_000_000
PERCENT = 10_000  # of a million
SPREAD_DAYS = 400  # before the start, untouched records were last modified
SPREAD_STEP_MS = 10_000  # coarse, so that many records share a millisecond: a cursor's boundary is never unique
LONGEST_SPAN_MS = 3_600_000  # the changes of one step spread over at most this long


@dataclass(frozen=True, slots=True)
class Step:
    """One step of evolution.

    Attributes:
        percent: how many percent of the users, classes and enrollments it touches, 0 to 100.
        at: when its last changes happened, in milliseconds since 1970 UTC.
        span: over how many milliseconds before `at` they spread; never back to the step before, so that a cursor that
            has seen one step sees all of the next.
        vanish: records it deletes are gone at once, with what hangs on them, instead of `tobedeleted`.
    """

    percent: float
    at: int
    span: int
    vanish: bool = False


@dataclass(frozen=True, slots=True)
class Growth:
    """What one step adds: indices [first, first + count) of each collection."""

    first_user: int
    users: int
    first_class: int
    classes: int
    first_enrollment: int
    enrollments: int


@dataclass(frozen=True, slots=True)
class Change:
    """The records of a timeline that one step touches: their positions, and a hash that decides what happens."""

    number: int
    step: Step
    positions: Indices
    choices: list[int]


@dataclass(frozen=True, slots=True)
class Timeline:
    """What became of some records: when each was last modified, which are deleted or gone, and every single change."""

    modified: Indices
    deleted: Mask
    gone: Mask
    changes: list[Change]


def growth(shape: Shape, steps: tuple[Step, ...]) -> tuple[Growth, ...]:
    """What each step adds. A new student is enrolled in one class of each round, a new class has its teacher."""
    grown: list[Growth] = []
    user, school_class, enrollment = shape.users, shape.classes, shape.enrollments
    for step in steps:
        users = math.ceil(shape.students * step.percent / 100 * ADDED_SHARE)
        classes = math.ceil(shape.classes * step.percent / 100 * ADDED_SHARE)
        enrollments = users * shape.scenario.rounds + classes
        grown.append(Growth(user, users, school_class, classes, enrollment, enrollments))
        user, school_class, enrollment = user + users, school_class + classes, enrollment + enrollments
    return tuple(grown)


def added(grown: Growth, collection: str) -> tuple[int, int]:
    """First index and number of a collection's records that one step adds."""
    return {
        "users": (grown.first_user, grown.users),
        "classes": (grown.first_class, grown.classes),
        "enrollments": (grown.first_enrollment, grown.enrollments),
    }[collection]


def first_modified(seed: int, collection: str, start: int, indices: Indices) -> Indices:
    """When records of version 0 were last modified: spread over the days before the start, in milliseconds."""
    slots = SPREAD_DAYS * 86_400_000 // SPREAD_STEP_MS
    return start - (1 + below(hashes(key(seed, "modified", collection), indices), slots)) * SPREAD_STEP_MS


def timeline(
    seed: int, collection: str, start: int, history: tuple[tuple[Step, Growth], ...], indices: Indices
) -> Timeline:
    """What became of these records up to the last step; a deleted record is touched no more."""
    modified = first_modified(seed, collection, start, indices)
    deleted = np.zeros(len(indices), dtype=np.bool_)
    gone = deleted.copy()
    changes: list[Change] = []
    if collection not in EVOLVING:
        return Timeline(modified, deleted, gone, changes)
    for number, (step, grown) in enumerate(history, start=1):
        salt = key(seed, "choice", collection, number)
        first, count = added(grown, collection)
        born = np.flatnonzero((indices >= first) & (indices < first + count))
        modified[born] = _instants(step, hashes(salt, indices[born]))
        touched = _touched(seed, collection, number, step, indices)
        positions = np.flatnonzero(touched & (indices < first) & ~deleted)
        choices = hashes(salt, indices[positions])
        modified[positions] = _instants(step, choices)
        dropped = positions[deletes(collection, choices)]
        deleted[dropped] = True
        gone[dropped] |= step.vanish
        changes.append(Change(number, step, positions, choices.tolist()))
    return Timeline(modified, deleted, gone, changes)


def _instants(step: Step, choices: Hashes) -> Indices:
    """When in the span of a step each record changed; whole seconds, so that many changes share an instant."""
    return step.at - below(choices >> np.uint64(20), max(step.span // 1000, 1)) * 1000


def _touched(seed: int, collection: str, number: int, step: Step, indices: Indices) -> Mask:
    drawn = below(hashes(key(seed, "touched", collection, number), indices), MILLION)
    return drawn < int(step.percent * PERCENT)


def deletes(collection: str, choices: Hashes) -> Mask:
    """Which of these touches are deletions."""
    return below(choices, 100) < DELETED_PERCENT[collection]
