"""Who sits where: from the index of a class, a seat or a student to its cohort, round, teacher and classes, and back.

In round r the students of a cohort are shuffled by p -> (a * p + b) mod cohort_size, with a coprime to the size and (a,
b) drawn for this cohort and round; class j takes the positions [j * class_size, ...). The shuffle has an inverse, so a
student's class in a round is found without looking at any other seat.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from connector_pipelines.connectors.oneroster.simulator.hashing import Indices, Mask, below, hashes, key, one

if TYPE_CHECKING:
    from connector_pipelines.connectors.oneroster.simulator.evolution import Growth
    from connector_pipelines.connectors.oneroster.simulator.shape import Shape


@dataclass(frozen=True, slots=True)
class Classes:
    """Where classes stand: cohort, round and section, index by index."""

    cohort: Indices
    round: Indices
    section: Indices


@dataclass(frozen=True, slots=True)
class Seats:
    """What enrollments connect: class and user, whether as teacher, and whether as the class's second teacher."""

    school_class: Indices
    user: Indices
    teaches: Mask
    second: Mask


@dataclass(frozen=True, slots=True)
class Placement:
    """The numbering of one seed's world with what its evolution added."""

    seed: int
    shape: Shape
    grown: tuple[Growth, ...]

    def student_cohort(self, indices: Indices) -> Indices:
        """The cohort of students: by number, or drawn for the ones that came later."""
        drawn = below(hashes(key(self.seed, "cohort of student"), indices), len(self.shape.cohort_school))
        return np.where(indices < self.shape.students, indices // self.shape.scenario.cohort_size, drawn)

    def classes(self, indices: Indices) -> Classes:
        """Cohort, round and section of classes."""
        shape = self.shape
        mixed = hashes(key(self.seed, "place of class"), indices)
        later = indices >= shape.classes
        rest = indices % shape.classes_per_cohort
        return Classes(
            np.where(later, below(mixed, len(shape.cohort_school)), indices // shape.classes_per_cohort),
            np.where(later, below(mixed >> np.uint64(24), shape.scenario.rounds), rest // shape.sections),
            np.where(later, shape.sections, rest % shape.sections),
        )

    def seats(self, indices: Indices) -> Seats:
        """Class, user and role of enrollments."""
        shape, size = self.shape, self.shape.scenario.class_size + 1
        extra = np.maximum(indices - shape.seats, 0)
        second = (indices >= shape.seats) & (indices < shape.enrollments)
        school_class = np.where(second, self.co_taught(extra), np.minimum(indices // size, shape.classes - 1))
        chair = np.where(second, 0, indices % size)
        teaches = chair == 0
        user = np.where(
            teaches,
            self.teacher(school_class, second.astype(np.int64)),
            self.student_at(school_class, np.maximum(chair - 1, 0)),
        )
        seats = Seats(school_class, user, teaches, second)
        self._place_later_ones(indices, seats)
        return seats

    def _place_later_ones(self, indices: Indices, seats: Seats) -> None:
        """Overwrite the places of enrollments that evolution added."""
        for grown in self.grown:
            last = grown.first_enrollment + grown.enrollments
            at = np.flatnonzero((indices >= grown.first_enrollment) & (indices < last))
            if len(at) == 0:
                continue
            school_class, user, teaches = self._later(grown, indices[at])
            seats.school_class[at], seats.user[at], seats.teaches[at] = school_class, user, teaches

    def _later(self, grown: Growth, indices: Indices) -> tuple[Indices, Indices, Mask]:
        shape, rounds = self.shape, self.shape.scenario.rounds
        offset = indices - grown.first_enrollment
        teaches = offset >= grown.users * rounds
        drawn = hashes(key(self.seed, "later seat"), indices)
        student = grown.first_user + np.minimum(offset // rounds, max(grown.users - 1, 0))
        own = (self.student_cohort(student) * rounds + offset % rounds) * shape.sections + below(drawn, shape.sections)
        new_class = grown.first_class + np.maximum(offset - grown.users * rounds, 0)
        cohort = self.classes(new_class).cohort
        teachers = shape.scenario.teachers_per_cohort
        teacher = shape.students + cohort * teachers + below(drawn, teachers)
        return np.where(teaches, new_class, own), np.where(teaches, teacher, student), teaches

    def teacher(self, classes: Indices, which: Indices | int = 0) -> Indices:
        """The first (0) or second (1) teacher of classes of version 0."""
        shape, teachers = self.shape, self.shape.scenario.teachers_per_cohort
        local = (classes % shape.classes_per_cohort + which) % teachers
        return shape.students + classes // shape.classes_per_cohort * teachers + local

    def co_taught(self, extra: Indices) -> Indices:
        """The class of the extra-th second teacher, spread evenly over all classes."""
        return extra * self.shape.classes // self.shape.scenario.co_teachers

    def student_at(self, classes: Indices, chairs: Indices) -> Indices:
        """The students on these chairs (0 to class_size - 1) of classes of version 0."""
        shape = self.shape
        size = shape.scenario.cohort_size
        cohort = classes // shape.classes_per_cohort
        factor, shift = self._shuffles(classes // shape.sections)
        position = classes % shape.sections * shape.scenario.class_size + chairs
        return cohort * size + (factor * position + shift) % size

    def class_of_student(self, student: int, number: int) -> tuple[int, int]:
        """Class and chair of a student of version 0 in a round."""
        shape = self.shape
        size = shape.scenario.cohort_size
        cohort, local = divmod(student, size)
        factor, shift = self._shuffles(np.array([cohort * shape.scenario.rounds + number]))
        position = (local - int(shift[0])) * pow(int(factor[0]), -1, size) % size
        section, chair = divmod(position, shape.scenario.class_size)
        return (cohort * shape.scenario.rounds + number) * shape.sections + section, chair

    def _shuffles(self, cohort_rounds: Indices) -> tuple[Indices, Indices]:
        mixed = hashes(key(self.seed, "shuffle"), cohort_rounds)
        factor = np.array(self.shape.units, dtype=np.int64)[below(mixed, len(self.shape.units))]
        return factor, below(mixed >> np.uint64(32), self.shape.scenario.cohort_size)

    def guardian(self, student: int) -> int | None:
        """The user who is guardian of a student, where one is: the first students of a school have them."""
        shape = self.shape
        if student >= shape.students:
            return None
        school = shape.schools[int(shape.cohort_school[student // shape.scenario.cohort_size])]
        number = 2 * (student - school.first_cohort * shape.scenario.cohort_size) + 1
        if number >= shape.scenario.staff_per_school:
            return None
        return shape.staff_first + school.number * shape.scenario.staff_per_school + number

    def draw(self, label: str, index: int, limit: int) -> int:
        """A number in [0, limit) for one index."""
        return one(key(self.seed, label), index, limit)
