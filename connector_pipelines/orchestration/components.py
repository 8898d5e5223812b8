"""One Dagster component for each connector of the registry, by name, such as `OneRosterSource`.

A new connector has its component at once; no class is written by hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector_pipelines.orchestration.component import component_class
from connector_pipelines.orchestration.sources import COMPONENTS, by_type

if TYPE_CHECKING:
    from connector_pipelines.orchestration.component import SourceComponent


def __getattr__(name: str) -> type[SourceComponent]:
    connector = by_type().get(f"{COMPONENTS}.{name}")
    if connector is None:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return component_class(connector)


def __dir__() -> list[str]:
    return [known.rpartition(".")[2] for known in by_type()]
