"""Events of OneRoster systems: what to read again. Pure.

OneRoster itself has no webhooks, so each system has its own. Most send an event or a list of events that name what
changed: `{"id": "…", "type": "user.updated", "data": {"sourcedId": "…"}}`. TimeBack sends Caliper envelopes
(https://www.imsglobal.org/spec/caliper/v1p2), whose events name it as the type of their object. How TimeBack signs is
not public; what a source says in its `webhook` settings is what is verified.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar

from connector_pipelines.errors import BrokenPage
from connector_pipelines.notices import Notice, events_in

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from connector_pipelines.connectors.oneroster.config import OneRosterConfig
    from connector_pipelines.external.signing import SignedHook
    from connector_pipelines.notices import Delivery

ENTITIES: Mapping[str, tuple[str, ...]] = {
    "org": ("organizations",),
    "school": ("organizations",),
    "organization": ("organizations",),
    "academicsession": ("terms",),
    "term": ("terms",),
    "gradingperiod": ("terms",),
    "course": ("courses",),
    "class": ("sections",),
    "coursesection": ("sections",),
    "user": ("students", "instructors"),
    "person": ("students", "instructors"),
    "student": ("students",),
    "teacher": ("instructors",),
    "enrollment": ("enrollments", "teaching_assignments"),
    "membership": ("enrollments", "teaching_assignments"),
}
"""Which core entities to read again, by the noun in an event's type. Other nouns concern no roster of ours."""

CHANGES = frozenset(
    ("added", "archived", "copied", "created", "deactivated", "deleted", "activated", "modified", "removed", "restored")
)
"""Caliper's actions after which a record is another than before; looking at one is told, too."""

_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_PLURALS = {"classes": "class", **{f"{noun}s": noun for noun in ENTITIES if noun != "class"}}


@dataclass(frozen=True, slots=True)
class Events:
    """The events of one source (`capabilities.Hook`)."""

    config: OneRosterConfig
    options: SignedHook

    shared: ClassVar[bool] = False

    def genuine(self, delivery: Delivery, now: datetime) -> bool:
        """Whether the system signed this, as the source says it does."""
        return self.options.genuine(delivery, now)

    def notices(self, delivery: Delivery) -> Sequence[Notice]:
        """What changed.

        Raises:
            BrokenPage: there is no event in the body.
        """
        return [self._notice(event) for event in _events(delivery.body)]

    def _notice(self, event: Mapping[str, Any]) -> Notice:
        about = _about(event)
        kind = str(event.get("type") or event.get("eventType") or "unknown")
        changed = str(event.get("action", "modified")).lower() in CHANGES
        touched = [*entities_of(kind), *entities_of(str(about.get("type", "")))] if changed else []
        provided = tuple(dict.fromkeys(entity for entity in touched if self.config.provides(entity)))
        told, record = event.get("id"), about.get("sourcedId") or event.get("sourcedId")
        return Notice(
            kind=kind,
            entities=provided,
            id=str(told) if told is not None else None,
            hints=(str(record),) if record is not None else (),
        )


def entities_of(kind: str) -> tuple[str, ...]:
    """The core entities an event type speaks of: `user.updated`, `UserCreated`, `academicSessions/changed`."""
    words = [word.lower() for word in _WORDS.findall(kind)]
    pairs = [first + second for first, second in pairwise(words)]
    found: list[str] = []
    for noun in pairs:
        found += ENTITIES.get(_PLURALS.get(noun, noun), ())
    if not found:  # "courseSection" is no "course"
        for noun in words:
            found += ENTITIES.get(_PLURALS.get(noun, noun), ())
    return tuple(dict.fromkeys(found))


def _about(event: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the event is about: a record in `data`, or the object of a Caliper event."""
    found = event.get("data") or event.get("object")
    return found if isinstance(found, dict) else {}


def _events(body: bytes) -> Sequence[Mapping[str, Any]]:
    events = events_in(body, ("type", "eventType"), envelope="data")  # a Caliper envelope
    if not events:
        raise BrokenPage(
            "a delivery holds no events: neither one, nor a list of them, nor a Caliper envelope.",
            remedy="Look at it in the system that sent it; what it spoke of comes with the next read.",
        )
    return events
