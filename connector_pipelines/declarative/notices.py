"""Webhooks that are declared in YAML: where an event's type and id are, and what to read again for which type."""

from __future__ import annotations

import json
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field, model_validator

from connector_pipelines.declarative import paths
from connector_pipelines.errors import BrokenPage
from connector_pipelines.external.signing import SignedHook
from connector_pipelines.notices import Notice

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from typing import Any, Self

    from connector_pipelines.notices import Delivery


class DeclaredHook(SignedHook):
    """A webhook that signs with a shared secret, and whose deliveries are JSON."""

    events: str = Field(
        default="@", description="Where the events are in the body: a JMESPath expression, @ for the body itself."
    )
    type: str = Field(default="type", description="Where an event's type is in it, a JMESPath expression.")
    type_header: str | None = Field(
        default=None, description="The header with the type, for systems that send one event in each delivery."
    )
    id: str | None = Field(
        default=None,
        description="Where an event's own id is in it. The same id twice has one effect; unset, each delivery counts.",
    )
    record: str | None = Field(default=None, description="Where the changed record's id is in an event: a hint.")
    reads: dict[str, tuple[str, ...]] = Field(
        default_factory=dict,
        description="Which entities to read again for which type, * for anything: {'order.*': [purchase_orders]}."
        " Types that none fits are ignored. Unset: every event reads all entities.",
    )

    @model_validator(mode="after")
    def _readable(self) -> Self:
        for text in filter(None, (self.events, self.type, self.id, self.record)):
            if text != "@":
                paths.in_json(text)
        return self


@dataclass(frozen=True, slots=True)
class DeclaredEvents:
    """The events of one declared source (`capabilities.Hook`)."""

    options: DeclaredHook
    entities: tuple[str, ...]

    shared: ClassVar[bool] = False

    def genuine(self, delivery: Delivery, now: datetime) -> bool:
        """Whether the system signed this, as the source says it does."""
        return self.options.genuine(delivery, now)

    def notices(self, delivery: Delivery) -> Sequence[Notice]:
        """What changed.

        Raises:
            BrokenPage: the body is no JSON, or has no events where they should be.
        """
        try:
            told = json.loads(delivery.body)
        except (ValueError, RecursionError):
            raise _broken("is no JSON") from None
        found = _at(self.options.events, told)
        if found is None:
            raise _broken(f"has no events at {self.options.events!r}")
        return [self._notice(delivery, event) for event in (found if isinstance(found, list) else [found])]

    def _notice(self, delivery: Delivery, event: object) -> Notice:
        options = self.options
        header = delivery.headers.get(options.type_header.lower()) if options.type_header else None
        kind = header or _text(options.type, event) or "unknown"
        told, record = _text(options.id, event), _text(options.record, event)
        return Notice(kind, self.reads(kind), told, (record,) if record else ())

    def reads(self, kind: str) -> tuple[str, ...]:
        """The entities to read again for a type, parents first."""
        if not self.options.reads:
            return self.entities
        named = {e for pattern, some in self.options.reads.items() if fnmatchcase(kind, pattern) for e in some}
        return tuple(entity for entity in self.entities if entity in named)


def _at(path: str, document: Any) -> Any:
    return document if path == "@" else paths.in_json(path).get(document)


def _text(path: str | None, event: object) -> str | None:
    found = _at(path, event) if path and isinstance(event, dict) else None
    return str(found) if isinstance(found, str | int | float) and not isinstance(found, bool) else None


def _broken(what: str) -> BrokenPage:
    return BrokenPage(f"a delivery {what}.", remedy="Compare a delivery with the `webhook` settings of the source.")
