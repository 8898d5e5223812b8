"""What core writes to a OneRoster gradebook, what is referred to before what refers (requirements G49-G56, G94, G96).

Aggregated outcomes of a program are of no student and of no class; a gradebook has no place for them (decision 0011).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from connector_pipelines.connectors.oneroster import shapes
from connector_pipelines.connectors.oneroster.writing import BY_ID, Collection
from connector_pipelines.outward import Export, everything

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connector_pipelines.connectors.oneroster.config import OneRosterConfig

BATCH = 100
"""Records between two notes in our own books; each is a call of its own."""

ROSTER = ("section", "school")
"""What a line item refers to and the source itself has fed."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """One line of the table below."""

    entity: str
    of: str
    collection: str
    shape: shapes.Shape
    choose: shapes.Choose = everything
    refers: Mapping[str, str] | None = None
    fed: tuple[str, ...] = ()
    together: str = ""


def exports(config: OneRosterConfig) -> tuple[Export, ...]:
    """The exports of a gradebook; none of a zip, which only is read."""
    return () if config.version == "csv" else tuple(_export(config, kind) for kind in _kinds(config))


def _kinds(config: OneRosterConfig) -> tuple[_Kind, ...]:
    book = config.gradebook
    items, results = {"kind": "categories"}, ("section", "person")
    return (
        _Kind("categories", "kinds", "categories", shapes.category),
        _Kind(
            "line_items",
            "assessments",
            "lineItems",
            shapes.line_item(config),
            shapes.choose_items(book),
            items,
            ROSTER,
            "class",
        ),
        _Kind(
            "results",
            "grades",
            "results",
            shapes.result(config),
            shapes.choose_results(book),
            {"assessment": "line_items"},
            results,
            "lineItem",
        ),
        _Kind(
            "outcome_items",
            "outcome_items",
            "lineItems",
            shapes.outcome_item(config),
            shapes.choose_outcome_items(book),
            items,
            ROSTER,
            "class",
        ),
        _Kind(
            "outcome_results",
            "outcomes",
            "results",
            shapes.outcome_result(config),
            shapes.choose_outcomes(book),
            {"item": "outcome_items"},
            results,
            "lineItem",
        ),
    )


def _export(config: OneRosterConfig, kind: _Kind) -> Export:
    there = Collection(kind.collection, config.gradebook.id_prefix)
    return Export(
        entity=kind.entity,
        of=kind.of,
        shape=kind.shape,
        choose=kind.choose,
        find=there.find,
        send=there.send,
        read_back=there.read,
        batch=BATCH,
        refers=kind.refers or {},
        fed=kind.fed,
        sure=(BY_ID,),
        together=kind.together,
    )
