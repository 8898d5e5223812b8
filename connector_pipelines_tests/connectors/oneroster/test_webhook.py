"""Events of OneRoster systems: what to read again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from connector_pipelines.connectors.oneroster import CONNECTOR
from connector_pipelines.connectors.oneroster.config import OneRosterConfig
from connector_pipelines.connectors.oneroster.webhook import Events, entities_of
from connector_pipelines.errors import BrokenPage
from connector_pipelines.notices import Delivery, Notice

if TYPE_CHECKING:
    from connector_pipelines.capabilities import Hook


def events(**more: Any) -> Events:
    """The events of a source."""
    declared = {"base_url": "https://sis.example", "webhook": {"secret": "env:HOOK"}} | more
    config = OneRosterConfig.model_validate(declared)
    assert config.webhook
    return Events(config, config.webhook)


def told(document: object, **more: Any) -> list[Notice]:
    """What a delivery says."""
    return list(events(**more).notices(Delivery({}, json.dumps(document).encode())))


@pytest.mark.parametrize(
    ("kind", "entities"),
    [
        ("user.updated", ("students", "instructors")),
        ("UserCreated", ("students", "instructors")),
        ("users", ("students", "instructors")),
        ("classes/changed", ("sections",)),
        ("academicSession.deleted", ("terms",)),
        ("academic_sessions", ("terms",)),
        ("ENROLLMENT_CREATED", ("enrollments", "teaching_assignments")),
        ("CourseSection", ("sections",)),
        ("course.updated", ("courses",)),
        ("line_item.created", ()),
        ("", ()),
    ],
)
def test_a_type_names_entities(kind: str, entities: tuple[str, ...]) -> None:
    """The noun in an event's type says what to read again, however it is written; other nouns are none of ours."""
    assert entities_of(kind) == entities


def test_an_event_names_its_record() -> None:
    """An event's own id, its type and its record's id are kept; nothing else of it."""
    event = {"id": 7, "type": "user.updated", "data": {"sourcedId": "u1", "givenName": "Ada"}}
    assert told(event) == [Notice("user.updated", ("students", "instructors"), "7", ("u1",))]


def test_only_what_the_source_feeds() -> None:
    """A source that reads some entities is not told of the others."""
    (notice,) = told({"type": "user.updated"}, entities=["students"])
    assert notice.entities == ("students",)
    (other,) = told({"type": "course.updated"}, entities=["students"])
    assert other.entities == ()


def test_a_caliper_envelope() -> None:
    """Of a Caliper envelope, events that change an object count; looking at one does not."""
    envelope = {
        "sensor": "https://sis.example/sensor",
        "dataVersion": "http://purl.imsglobal.org/ctx/caliper/v1p2",
        "data": [
            {"id": "urn:uuid:1", "type": "ResourceManagementEvent", "action": "Modified", "object": {"type": "Person"}},
            {"id": "urn:uuid:2", "type": "ViewEvent", "action": "Viewed", "object": {"type": "CourseSection"}},
        ],
    }
    assert [(n.id, n.entities) for n in told(envelope)] == [
        ("urn:uuid:1", ("students", "instructors")),
        ("urn:uuid:2", ()),
    ]


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"null", b"[1]", b"<html>", b'{"data": [{}]}', b"[" * 100_000])
def test_a_body_without_events(body: bytes) -> None:
    """What holds no events is an error, not a notice of nothing."""
    with pytest.raises(BrokenPage, match="no events"):
        events().notices(Delivery({}, body))


def test_a_source_without_webhook_has_none() -> None:
    """A source has a webhook when its configuration says how its system signs."""
    (ability,) = CONNECTOR.abilities
    bound: Hook | None = ability.hook(OneRosterConfig(base_url="https://sis.example"))  # type: ignore[attr-defined]
    assert bound is None
    assert ability.hook(events().config) == events()  # type: ignore[attr-defined]
