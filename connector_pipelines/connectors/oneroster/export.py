"""What core writes to a OneRoster gradebook, what is referred to before what refers (requirements G49-G56, G94, G96).

Aggregated outcomes of a program are of no student and of no class; a gradebook has no place for them (decision 0011).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from connector_pipelines.connectors.oneroster import shapes
from connector_pipelines.connectors.oneroster.writing import BY_ID, Collection
from connector_pipelines.outward import Export

if TYPE_CHECKING:
    from connector_pipelines.connectors.oneroster.config import OneRosterConfig

BATCH = 100
"""Records between two notes in our own books; each is a call of its own."""


def exports(config: OneRosterConfig) -> tuple[Export, ...]:
    """The exports of a gradebook; none of a zip, which only is read."""
    if config.version == "csv":
        return ()
    book = config.gradebook
    category, item, result = (
        partial(_export, Collection(name, book.id_prefix)) for name in ("categories", "lineItems", "results")
    )
    of_a_class: dict[str, Any] = {
        "refers": {"kind": "categories"},
        "fed": ("section", "school"),
        "together": "class",
    }
    of_a_student: dict[str, Any] = {
        "fed": ("section", "person"),
        "together": "lineItem",
        "times": ("changed_at", "dateLastModified"),
    }
    return (
        category("categories", of="kinds", shape=shapes.category),
        item(
            "line_items",
            of="assessments",
            shape=shapes.line_item(config),
            choose=shapes.choose_items(book),
            **of_a_class,
        ),
        result(
            "results",
            of="grades",
            shape=shapes.result(config),
            choose=shapes.choose_results(book),
            refers={"assessment": "line_items"},
            **of_a_student,
        ),
        item(
            "outcome_items",
            of="outcome_items",
            shape=shapes.outcome_item(config),
            choose=shapes.choose_outcome_items(book),
            **of_a_class,
        ),
        result(
            "outcome_results",
            of="outcomes",
            shape=shapes.outcome_result(config),
            choose=shapes.choose_outcomes(book),
            refers={"item": "outcome_items"},
            **of_a_student,
        ),
    )


def _export(there: Collection, entity: str, **more: Any) -> Export:
    """An export into a collection of the gradebook."""
    return Export(
        entity=entity,
        find=there.find,
        send=there.send,
        read_back=there.read,
        batch=BATCH,
        sure=(BY_ID,),
        **more,
    )
