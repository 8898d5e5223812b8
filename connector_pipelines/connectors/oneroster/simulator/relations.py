"""What a path lists: students of a class, classes of a school, results of a line item and so on, as rows of one
collection.

Generated rows are found by arithmetic, never by a search through a collection; rows that were put are asked one by one.
Nested collections leave out deleted records, as most servers do (contract 1.1, "Incremental and deletes").
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from connector_pipelines.connectors.oneroster.simulator import gradebook
from connector_pipelines.connectors.oneroster.simulator.calendar import taught_in
from connector_pipelines.connectors.oneroster.simulator.identifiers import index_of
from connector_pipelines.connectors.oneroster.simulator.organizations import FIRST_SCHOOL
from connector_pipelines.connectors.oneroster.simulator.refusals import not_found

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from connector_pipelines.connectors.oneroster.simulator.hashing import Indices
    from connector_pipelines.connectors.oneroster.simulator.identifiers import Record
    from connector_pipelines.connectors.oneroster.simulator.placement import Seats
    from connector_pipelines.connectors.oneroster.simulator.store import Rows, Store

Relation: TypeAlias = "Callable[[Store, list[str]], Rows]"


def refers(record: Record, name: str) -> str | None:
    """The sourcedId that a reference of a record names."""
    reference = record.get(name)
    return reference.get("sourcedId") if isinstance(reference, dict) else None


def has_role(record: Record, role: str) -> bool:
    """Whether a user has a role, the first or another."""
    roles = record.get("roles")
    return isinstance(roles, list) and any(isinstance(entry, dict) and entry.get("role") == role for entry in roles)


def students(store: Store, _ids: list[str] | None = None) -> Rows:
    """Users with the role student."""
    shape, count = store.world.shape, store.world.count("users")
    indices = np.concatenate([np.arange(shape.students), np.arange(shape.users, count)])
    return store.subset("users", indices, lambda record: has_role(record, "student"))


def teachers(store: Store, _ids: list[str] | None = None) -> Rows:
    """Users with the role teacher."""
    indices = np.arange(store.world.shape.students, store.world.shape.staff_first)
    return store.subset("users", indices, lambda record: has_role(record, "teacher"))


def schools(store: Store, _ids: list[str] | None = None) -> Rows:
    """Organizations of the type school."""
    indices = np.arange(FIRST_SCHOOL, store.world.count("orgs"))
    return store.subset("orgs", indices, lambda record: record.get("type") == "school")


def terms(store: Store, _ids: list[str] | None = None) -> Rows:
    """Academic sessions that classes run in: terms and semesters are both of that nature, only terms are listed."""
    return _sessions(store, "term")


def grading_periods(store: Store, _ids: list[str] | None = None) -> Rows:
    """Academic sessions of the type gradingPeriod."""
    return _sessions(store, "gradingPeriod")


def _sessions(store: Store, kind: str) -> Rows:
    indices = np.array([session.index for session in store.world.sessions if session.kind == kind], dtype=np.int64)
    return store.subset("academicSessions", indices, lambda record: record.get("type") == kind)


def parent(store: Store, name: str, sourced_id: str) -> int | None:
    """The row of a record in a path; None when it was put, as generated rows know nothing of it.

    Raises:
        RefusedError: 404, no such record under this name.
    """
    collection, members = MEMBERS.get(name, (name, None))
    row = store.find(collection, sourced_id)
    if row is None or (members and not np.any(np.asarray(members(store, [])) == row)):
        raise not_found(name, sourced_id)
    return index_of(collection, sourced_id) if row < store.world.count(collection) else None


MEMBERS: dict[str, tuple[str, Relation]] = {
    "students": ("users", students),
    "teachers": ("users", teachers),
    "schools": ("orgs", schools),
    "terms": ("academicSessions", terms),
    "gradingPeriods": ("academicSessions", grading_periods),
}


def later_seats(store: Store) -> tuple[Indices, Seats]:
    """The enrollments that evolution added; few beside the generated ones."""
    indices = np.arange(store.world.shape.enrollments, store.world.count("enrollments"))
    return indices, store.world.place.seats(indices)


def seats_of_class(store: Store, school_class: str) -> Rows:
    """All enrollments of a class."""
    world, shape = store.world, store.world.shape
    index = parent(store, "classes", school_class)
    found = [np.arange(0)]
    if index is not None:
        size = shape.scenario.class_size + 1
        later, seats = later_seats(store)
        found.append(later[seats.school_class == index])
        if index < shape.classes:
            extra = -(-index * shape.scenario.co_teachers // shape.classes)
            second = np.array([extra], dtype=np.int64)
            taught = extra < shape.scenario.co_teachers and int(world.place.co_taught(second)[0]) == index
            found += [np.arange(index * size, (index + 1) * size), shape.seats + second if taught else np.arange(0)]
    return store.subset(
        "enrollments", np.unique(np.concatenate(found)), lambda record: refers(record, "class") == school_class
    )


def seats_of_user(store: Store, user: str) -> Rows:
    """All enrollments of a user."""
    index = parent(store, "users", user)
    found = np.arange(0)
    if index is not None:
        later, seats = later_seats(store)
        found = np.unique(np.concatenate([_generated_seats(store, index), later[seats.user == index]]))
    return store.subset("enrollments", found, lambda record: refers(record, "user") == user)


def _generated_seats(store: Store, user: int) -> Indices:
    world, shape = store.world, store.world.shape
    size = shape.scenario.class_size + 1
    if user < shape.students:
        places = [world.place.class_of_student(user, number) for number in range(shape.scenario.rounds)]
        return np.array([school_class * size + 1 + chair for school_class, chair in places], dtype=np.int64)
    if user >= shape.staff_first:
        return np.arange(0)
    cohort, local = divmod(user - shape.students, shape.scenario.teachers_per_cohort)
    own = np.arange(cohort * shape.classes_per_cohort, (cohort + 1) * shape.classes_per_cohort)
    numbers = own % shape.classes_per_cohort % shape.scenario.teachers_per_cohort
    extras = np.arange(shape.scenario.co_teachers)
    taught = world.place.co_taught(extras)
    seconds = extras[world.place.teacher(taught, 1) == user]
    return np.concatenate([own[numbers == local] * size, shape.seats + seconds])


def _named(store: Store, collection: str, sourced_ids: Iterable[str | None]) -> Indices:
    """The rows of records by sourcedId, once each, in order, without the deleted and the missing."""
    rows = {store.find(collection, sourced_id) for sourced_id in sourced_ids if sourced_id}
    return _active(store, collection, np.array(sorted(row for row in rows if row is not None), dtype=np.int64))


def _active(store: Store, collection: str, rows: Rows) -> Indices:
    return np.asarray(rows)[~store.deleted(collection, rows)]


def _records(store: Store, rows: Rows) -> list[Any]:
    active = _active(store, "enrollments", rows)
    return [record for record in store.fetch("enrollments", active) if isinstance(record, dict)]


def people_of_class(role: str) -> Relation:
    """Users with active enrollments of a role in the class named last in the path."""

    def people(store: Store, ids: list[str]) -> Rows:
        seats = _records(store, _class_in_school(store, ids))
        return _named(store, "users", (refers(seat, "user") for seat in seats if seat.get("role") == role))

    return people


def _class_in_school(store: Store, ids: list[str]) -> Rows:
    """Enrollments of /classes/{c} or /schools/{s}/classes/{c}."""
    rows = seats_of_class(store, ids[-1])
    if len(ids) > 1:
        parent(store, "schools", ids[0])
        record = store.get("classes", ids[-1])
        if record is None or refers(record, "school") != ids[0]:
            raise not_found("classes", ids[-1])
    return rows


def enrollments_of_class(store: Store, ids: list[str]) -> Rows:
    """Active enrollments of a class of a school."""
    return _active(store, "enrollments", _class_in_school(store, ids))


def classes_of(name: str) -> Relation:
    """Classes with an active enrollment of a user; `name` is users, students or teachers."""

    def classes(store: Store, ids: list[str]) -> Rows:
        parent(store, name, ids[0])
        return _named(
            store, "classes", (refers(seat, "class") for seat in _records(store, seats_of_user(store, ids[0])))
        )

    return classes


def of_school(collection: str, name: str) -> Relation:
    """Classes, courses, users or enrollments of a school; `name` is the reference that names it."""

    def rows(store: Store, ids: list[str]) -> Rows:
        index = parent(store, "schools", ids[0])
        found = np.arange(0) if index is None else _in_school(store, collection, index - FIRST_SCHOOL)
        subset = store.subset(collection, found, lambda record: refers(record, name) == ids[0])
        return _active(store, collection, subset)

    return rows


def _in_school(store: Store, collection: str, number: int) -> Indices:
    world, shape = store.world, store.world.shape
    school = shape.schools[number]
    if collection == "courses":
        return np.arange(school.first_slot * shape.scenario.rounds, school.last_slot * shape.scenario.rounds)
    first, last = (cohort * shape.classes_per_cohort for cohort in (school.first_cohort, school.last_cohort))
    if collection == "classes":
        later = np.arange(shape.classes, world.count("classes"))
        there = shape.cohort_school[world.place.classes(later).cohort] == number
        return np.concatenate([np.arange(first, last), later[there]])
    size = shape.scenario.class_size + 1
    later = np.arange(shape.seats, world.count("enrollments"))
    schools_later = shape.cohort_school[world.place.classes(world.place.seats(later).school_class).cohort]
    return np.concatenate([np.arange(first * size, last * size), later[schools_later == number]])


def people_of_school(role: str) -> Relation:
    """Users whose role in a school is this one."""

    def works_there(record: Record, school: str) -> bool:
        roles = record.get("roles")
        return isinstance(roles, list) and any(
            isinstance(entry, dict) and entry.get("role") == role and refers(entry, "org") == school for entry in roles
        )

    def rows(store: Store, ids: list[str]) -> Rows:
        index = parent(store, "schools", ids[0])
        found = np.arange(0) if index is None else _people_in_school(store, role, index - FIRST_SCHOOL)
        return _active(store, "users", store.subset("users", found, lambda record: works_there(record, ids[0])))

    return rows


def _people_in_school(store: Store, role: str, number: int) -> Indices:
    shape = store.world.shape
    school = shape.schools[number]
    if role == "teacher":
        each = shape.scenario.teachers_per_cohort
        return shape.students + np.arange(school.first_cohort * each, school.last_cohort * each)
    each = shape.scenario.cohort_size
    later = np.arange(shape.users, store.world.count("users"))
    there = shape.cohort_school[store.world.place.student_cohort(later)] == number
    return np.concatenate([np.arange(school.first_cohort * each, school.last_cohort * each), later[there]])


def terms_of_school(store: Store, ids: list[str]) -> Rows:
    """Terms are the district's: every school has all of them."""
    parent(store, "schools", ids[0])
    return terms(store)


def classes_of_course(store: Store, ids: list[str]) -> Rows:
    """Sections of a course."""
    index = parent(store, "courses", ids[0])
    found = np.arange(0)
    if index is not None:
        everything = np.arange(store.world.count("classes"))
        placed = store.world.place.classes(everything)
        course = store.world.shape.cohort_slot[placed.cohort] * store.world.shape.scenario.rounds + placed.round
        found = everything[course == index]
    return _active(store, "classes", store.subset("classes", found, lambda record: refers(record, "course") == ids[0]))


def classes_of_term(store: Store, ids: list[str]) -> Rows:
    """Classes that run in a term."""
    index = parent(store, "terms", ids[0])
    world = store.world
    rounds = [number for number in range(world.shape.scenario.rounds) if index in taught_in(world.sessions, number)]
    everything = np.arange(world.count("classes"))
    found = everything[np.isin(world.place.classes(everything).round, rounds)]
    return _active(store, "classes", store.subset("classes", found, lambda record: _runs_in(record, ids[0])))


def _runs_in(record: Record, term: str) -> bool:
    given = record.get("terms")
    return isinstance(given, list) and any(
        isinstance(entry, dict) and entry.get("sourcedId") == term for entry in given
    )


def grading_periods_of_term(store: Store, ids: list[str]) -> Rows:
    """Grading periods whose parent is the term."""
    index = parent(store, "terms", ids[0])
    children = () if index is None else store.world.sessions[index].children
    indices = np.array(children, dtype=np.int64)
    return store.subset("academicSessions", indices, lambda record: refers(record, "parent") == ids[0])


def categories_of_class(store: Store, ids: list[str]) -> Rows:
    """The district's categories serve all classes."""
    parent(store, "classes", ids[0])
    return store.rows("categories")


def score_scales_of(name: str) -> Relation:
    """Score scales of a class, or of the classes of a school."""

    def rows(store: Store, ids: list[str]) -> Rows:
        row = store.find("orgs" if name == "schools" else name, ids[0])
        index = parent(store, name, ids[0])
        everything = np.arange(store.world.count("scoreScales"))
        scaled = gradebook.scale_class(everything)
        if name == "schools":
            known = _in_school(store, "classes", (row or 0) - FIRST_SCHOOL) if index is not None else np.arange(0)
            return store.subset("scoreScales", everything[np.isin(scaled, known)], lambda _: False)
        return store.subset("scoreScales", everything[scaled == index], lambda r: refers(r, "class") == ids[0])

    return rows


def line_items_of_class(store: Store, ids: list[str]) -> Rows:
    """Line items of a class."""
    index = parent(store, "classes", ids[0])
    found = np.arange(0)
    if index is not None and index < store.world.shape.classes:
        found = index * gradebook.ITEMS_PER_CLASS + np.arange(gradebook.ITEMS_PER_CLASS)
    return store.subset("lineItems", found, lambda record: refers(record, "class") == ids[0])


def results_of_class(store: Store, ids: list[str]) -> Rows:
    """Results of a class."""
    index = parent(store, "classes", ids[0])
    found = np.arange(0)
    if index is not None and index < store.world.shape.classes:
        each = gradebook.ITEMS_PER_CLASS * store.world.shape.scenario.class_size
        found = index * each + np.arange(each)
    return store.subset("results", found, lambda record: refers(record, "class") == ids[0])


def results_of_line_item(store: Store, ids: list[str]) -> Rows:
    """Results of /classes/{c}/lineItems/{l}."""
    parent(store, "lineItems", ids[1])
    return _results_with(store, ids, "lineItem")


def results_of_student(store: Store, ids: list[str]) -> Rows:
    """Results of /classes/{c}/students/{s}."""
    parent(store, "students", ids[1])
    return _results_with(store, ids, "student")


def _results_with(store: Store, ids: list[str], name: str) -> Rows:
    rows = np.asarray(results_of_class(store, ids[:1]))
    records = store.fetch("results", rows)
    kept = [isinstance(record, dict) and refers(record, name) == ids[1] for record in records]
    return rows[np.array(kept, dtype=np.bool_)]


def resources_of(name: str) -> Relation:
    """Resources that a class, course or user names."""

    def rows(store: Store, ids: list[str]) -> Rows:
        parent(store, name, ids[0])
        record = store.get(name, ids[0]) or {}
        return _named(store, "resources", (entry.get("sourcedId") for entry in record.get("resources", [])))

    return rows
