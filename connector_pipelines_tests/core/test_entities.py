from __future__ import annotations

import pytest

from connector_pipelines.core.entities import ENTITIES, entity
from connector_pipelines.database.staging import columns
from connector_pipelines.model import Column, Reference


def test_entity_says_what_is_fed_and_what_points_where() -> None:
    """An entity is derived from its model: fed columns, references with their targets, required or not."""
    enrollments = entity("enrollments")
    assert enrollments.columns == (
        Column("status", "TEXT", required=True),
        Column("start_date", "DATE"),
        Column("end_date", "DATE"),
    )
    assert enrollments.references == (
        Reference("student", "student_id", "students", required=True),
        Reference("section", "section_id", "sections", required=True),
    )
    assert enrollments.parents == ("students", "sections")


def test_core_keeps_its_own_columns() -> None:
    """No entity feeds an id, notes or a time of core."""
    fed = {name for one in ENTITIES.values() for name in columns(one)}
    assert fed.isdisjoint({"id", "notes", "created_at", "updated_at"})


def test_parents_come_before_children() -> None:
    """The entities stand in an order in which every parent comes first, itself not counted."""
    order = list(ENTITIES)
    assert all(order.index(parent) < order.index(name) for name, one in ENTITIES.items() for parent in one.parents)
    assert ENTITIES["organizations"].parents == ()


def test_unknown_entity_names_the_known_ones() -> None:
    """Asking for an entity that core lacks says which it has."""
    with pytest.raises(KeyError, match="core has no entity 'pupils'; it has organizations"):
        entity("pupils")
