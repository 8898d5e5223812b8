"""What a run's HTTP clients have in common: the database where processes meet, and the source they speak for.

A client is opened by its connector, which knows neither; so they are put around it here.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from connector_pipelines.errors import ConfigurationError
from connector_pipelines.external import journal
from connector_pipelines.external.configurations import in_force
from connector_pipelines.external.line import Line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connector_pipelines.external.cache import Looks
    from connector_pipelines.model import Source


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where processes meet, and for whom we speak; `looks` where a person only looks."""

    line: Line
    source: str = ""
    connector: str = ""
    lane: str = "urgent"
    looks: Looks | None = None


_current: ContextVar[Surroundings | None] = ContextVar("surroundings", default=None)


def current() -> Surroundings | None:
    """The surroundings of this thread; None outside a run, where nothing is shared."""
    return _current.get()


def needed() -> Surroundings:
    """The surroundings of this thread.

    Raises:
        ConfigurationError: there are none.
    """
    found = _current.get()
    if found is None:
        raise ConfigurationError(
            "kept secrets and tokens lie in the database, and this is not a run that has one.",
            remedy="Open the client within connector_pipelines.external.surroundings.share.",
        )
    return found


@contextmanager
def share(url: str, *, lane: str = "urgent") -> Iterator[None]:
    """Clients opened within meet those of other processes in this database. It is connected when one needs it.

    Args:
        url: of the database.
        lane: whose share of a source's budget they spend, one of `limits.LANES`.
    """
    line = Line(url)
    try:
        with restored(Surroundings(line, lane=lane)):
            yield
    finally:
        line.close()


@contextmanager
def opened(source: Source, *, looks: Looks | None = None) -> Iterator[Any]:
    """A source's client, configured as is in force now; it knows for whom it speaks.

    Raises:
        ConfigurationError: the configuration in force is not usable.
    """
    around = _current.get()
    named = around and replace(around, source=source.name, connector=source.connector.name, looks=looks)
    configured = in_force(around.line, source) if around else source
    journal.heed(source.name, configured.config)
    with restored(named), configured.connector.open(configured.config) as client:
        yield client


@contextmanager
def restored(surroundings: Surroundings | None) -> Iterator[None]:
    """These surroundings within: for work that a client's caller hands to another thread."""
    before = _current.get()
    _current.set(surroundings)
    try:
        yield
    finally:
        _current.set(before)  # not by token: Dagster may end a generator in another context than it began it


def note(around: Surroundings, action: str, detail: dict[str, Any]) -> None:
    """An entry in the audit log for something that a declaration allows and an auditor wants to know."""
    around.line.rows(
        "INSERT INTO connector.integration_audit_logs (who, action, source, detail) VALUES ('declaration', %s, %s, %s)",
        *(action, around.source, json.dumps(detail)),
    )
