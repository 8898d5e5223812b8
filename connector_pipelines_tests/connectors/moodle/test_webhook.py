"""Events of a Moodle site: who sent them, and what to read again."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from connector_pipelines.connectors.moodle import CONNECTOR
from connector_pipelines.connectors.moodle.config import MoodleConfig
from connector_pipelines.connectors.moodle.webhook import Events
from connector_pipelines.errors import BrokenPage
from connector_pipelines.notices import Delivery, Notice

if TYPE_CHECKING:
    from connector_pipelines.capabilities import Hook

pytestmark = pytest.mark.phase3

NOW = datetime(2026, 11, 21, tzinfo=UTC)
GRADED = {
    "eventname": "\\core\\event\\user_graded",
    "component": "core",
    "objecttable": "grade_grades",
    "objectid": 31,
    "courseid": 4,
    "relateduserid": 12,
    "other": {"itemid": 9, "finalgrade": 17.5},
    "timecreated": 1795219200,
}


def events(webhook: dict[str, Any], **more: Any) -> Events:
    """The events of a site."""
    config = MoodleConfig.model_validate({"base_url": "https://moodle.school.example", "webhook": webhook} | more)
    assert config.webhook
    return Events(config, config.webhook)


def delivery(document: object, **headers: str) -> Delivery:
    """A request with this document."""
    return Delivery({name.lower().replace("_", "-"): value for name, value in headers.items()}, encoded(document))


def encoded(document: object) -> bytes:
    """The document as it is sent."""
    return json.dumps(document).encode()


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the site and we know."""
    monkeypatch.setenv("HOOK", "hook-secret")
    monkeypatch.setenv("HOOK_BEFORE", "older-secret")


def test_an_event_says_what_to_read_and_no_more() -> None:
    """Of a graded user we keep the event's name, what to read, and the number of the grade; no grade, no person."""
    (notice,) = events({"token": "env:HOOK"}).notices(delivery(GRADED))
    assert notice == Notice("core\\event\\user_graded", ("grades",), None, ("31",))


@pytest.mark.parametrize(
    ("name", "entities"),
    [
        ("\\mod_assign\\event\\submission_graded", ("grades", "submissions")),
        ("\\mod_assign\\event\\assessable_submitted", ("submissions",)),
        ("\\core\\event\\course_module_deleted", ("assessments", "grades", "submissions")),
        ("\\core\\event\\course_viewed", ()),
        ("user_graded", ("grades",)),
        ("", ()),
    ],
)
def test_an_events_name_says_what_to_read(name: str, entities: tuple[str, ...]) -> None:
    """The last part of an event's name counts; a visit concerns nothing that is read when it happens."""
    (notice,) = events({"token": "env:HOOK"}).notices(delivery({"eventname": name}))
    assert notice.entities == entities


def test_only_what_the_source_feeds() -> None:
    """A source that reads grades alone is not told of submissions."""
    told = delivery([GRADED, {"eventname": "\\mod_assign\\event\\submission_graded"}])
    found = events({"token": "env:HOOK"}, entities=["grades"]).notices(told)
    assert [notice.entities for notice in found] == [("grades",), ("grades",)]


@pytest.mark.usefixtures("secrets")
@pytest.mark.parametrize(
    ("document", "genuine"),
    [
        (GRADED | {"token": "hook-secret"}, True),
        (GRADED | {"token": "older-secret"}, True),
        ([GRADED | {"token": "hook-secret"}, GRADED | {"token": "older-secret"}], True),
        ([GRADED | {"token": "hook-secret"}, GRADED], False),
        (GRADED | {"token": "hook-secre"}, False),
        (GRADED | {"token": None}, False),
        (GRADED, False),
        ([], False),
        ("hook-secret", False),
    ],
)
def test_the_token_must_be_in_every_event(document: object, *, genuine: bool) -> None:
    """A delivery is genuine when each of its events holds the token, or the one before it."""
    hook = events({"token": "env:HOOK", "previous_token": "env:HOOK_BEFORE"})
    assert hook.genuine(delivery(document), NOW) is genuine


@pytest.mark.usefixtures("secrets")
def test_a_plugin_that_signs() -> None:
    """With a secret instead of a token the signature over the very bytes decides."""
    hook = events({"secret": "env:HOOK", "header": "X-Signature", "prefix": "sha256="})
    signature = "sha256=" + hmac.new(b"hook-secret", encoded(GRADED), hashlib.sha256).hexdigest()
    assert hook.genuine(delivery(GRADED, X_Signature=signature), NOW)
    assert not hook.genuine(delivery(GRADED | {"objectid": 32}, X_Signature=signature), NOW)


def test_it_is_a_token_or_a_signature() -> None:
    """A webhook that names both, or neither, is refused."""
    for webhook in ({"token": "env:HOOK", "secret": "env:HOOK"}, {}):
        with pytest.raises(ValidationError):
            events(webhook)


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"null", b"[1]", b"eventname=a", b"[" * 100_000])
def test_a_body_without_events(body: bytes) -> None:
    """What holds no events is an error, not a notice of nothing."""
    with pytest.raises(BrokenPage, match="no events of Moodle"):
        events({"token": "env:HOOK"}).notices(Delivery({}, body))


def test_a_source_without_webhook_has_none() -> None:
    """A source has a webhook when its configuration says what its site sends."""
    (ability,) = CONNECTOR.abilities
    bound: Hook | None = ability.hook(MoodleConfig(base_url="https://moodle.school.example"))  # type: ignore[attr-defined]
    assert bound is None
    assert ability.hook(events({"token": "env:HOOK"}).config) == events({"token": "env:HOOK"})  # type: ignore[attr-defined]
