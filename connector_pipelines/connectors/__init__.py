"""One folder per external system; the only folder a connector's author opens.

A connector is found, not registered: every folder here with a `CONNECTOR`, and perhaps `MORE` that share its code, and
every entry point of the group `connector_pipelines.connectors` in an installed package (requirements F11, F52).
"""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from connector_pipelines.errors import ConfigurationError
from connector_pipelines.model import Connector

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ENTRY_POINTS = "connector_pipelines.connectors"


@cache
def connectors() -> dict[str, Connector]:
    """Every connector by name, in alphabetical order. Cached; `connectors.cache_clear()` looks again.

    Raises:
        ConfigurationError: two connectors have one name, or an entry point names something else.
    """
    return unique([*_folders(), *_installed()])


def connector(name: str) -> Connector:
    """The connector of that name.

    Raises:
        ConfigurationError: there is none; the message lists those there are.
    """
    known = connectors()
    if name not in known:
        raise ConfigurationError(f"there is no connector {name!r}.", remedy=f"Use one of: {', '.join(known)}.")
    return known[name]


def unique(found: Iterable[tuple[str, object]]) -> dict[str, Connector]:
    """The connectors by name.

    Args:
        found: where each was found, for messages, and what was found there.

    Raises:
        ConfigurationError: two have one name, or one is no `Connector`.
    """
    by_name: dict[str, tuple[str, Connector]] = {}
    for place, candidate in found:
        if not isinstance(candidate, Connector):
            raise ConfigurationError(
                f"{place} is no Connector.", remedy="Let it be connector_pipelines.model.Connector."
            )
        if candidate.name in by_name:
            other, _ = by_name[candidate.name]
            raise ConfigurationError(
                f"two connectors are called {candidate.name!r}: {other} and {place}.", remedy="Rename one of them."
            )
        by_name[candidate.name] = (place, candidate)
    return {name: by_name[name][1] for name in sorted(by_name)}


def _folders() -> Iterator[tuple[str, object]]:
    for module in pkgutil.iter_modules(__path__):
        place = f"{__name__}.{module.name}"
        found = import_module(place)
        yield place, getattr(found, "CONNECTOR", None)
        yield from ((place, one) for one in getattr(found, "MORE", ()))


def _installed() -> Iterator[tuple[str, object]]:
    for point in entry_points(group=ENTRY_POINTS):
        yield point.value, point.load()
