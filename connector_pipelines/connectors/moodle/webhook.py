"""Events of a Moodle site: what to read again. Pure.

Moodle sends no events as installed; plugins do. They send what the event itself holds
(https://moodledev.io/docs/apis/core/events, `get_data` of an event): one JSON object, or a list of them, with
`eventname`, `objectid`, `courseid` and more. Some sign; the one that is used most puts a token into the body instead.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from connector_pipelines.errors import BrokenPage
from connector_pipelines.external.secrets import Secret
from connector_pipelines.notices import HookOptions, Notice, events_in

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from connector_pipelines.connectors.moodle.config import MoodleConfig
    from connector_pipelines.external.signing import SignedHook
    from connector_pipelines.notices import Delivery

ENTITIES: Mapping[str, tuple[str, ...]] = {
    "user_graded": ("grades",),
    "grade_deleted": ("grades",),
    "submission_graded": ("grades", "submissions"),
    "assessable_submitted": ("submissions",),
    "submission_created": ("submissions",),
    "submission_updated": ("submissions",),
    "submission_removed": ("submissions",),
    "submission_duplicated": ("submissions",),
    "submission_status_updated": ("submissions",),
    "grade_item_created": ("assessments",),
    "grade_item_updated": ("assessments",),
    "grade_item_deleted": ("assessments", "grades"),
    "course_module_created": ("assessments",),
    "course_module_updated": ("assessments",),
    "course_module_deleted": ("assessments", "grades", "submissions"),
}
"""What to read again, by the last part of an event's name; not visits and rubrics, which are read daily."""


class TokenHook(HookOptions):
    """A plugin that puts a token into each body. Who sees one can send others: use https, and name networks."""

    token: Secret = Field(description="The token that the plugin sends, as {{ env.NAME }} or vault:NAME.")
    previous_token: Secret | None = Field(
        default=None, description="The token before, while the site is being told the new one: both are good."
    )

    def genuine(self, delivery: Delivery, _now: datetime) -> bool:
        """Whether every event holds the token.

        Raises:
            SecretMissing: the token is not set.
        """
        expected = [one.reveal().encode() for one in (self.token, self.previous_token) if one]
        try:
            given = [str(event.get("token", "")).encode() for event in _events(delivery.body)]
        except BrokenPage:
            return False
        # Each is compared with each, so that time tells nothing.
        return all([any([hmac.compare_digest(one, mine) for mine in expected]) for one in given])  # noqa: C419


@dataclass(frozen=True, slots=True)
class Events:
    """The events of one site (`capabilities.Hook`)."""

    config: MoodleConfig
    options: SignedHook | TokenHook

    shared: ClassVar[bool] = False

    def genuine(self, delivery: Delivery, now: datetime) -> bool:
        """Whether the site sent this, as the source says it does."""
        return self.options.genuine(delivery, now)

    def notices(self, delivery: Delivery) -> Sequence[Notice]:
        """What changed. Moodle's events have no id of their own, so each counts.

        Raises:
            BrokenPage: there is no event in the body.
        """
        return [self._notice(event) for event in _events(delivery.body)]

    def _notice(self, event: Mapping[str, Any]) -> Notice:
        name = str(event["eventname"])
        entities = ENTITIES.get(name.rpartition("\\")[2], ())
        record = event.get("objectid")
        return Notice(
            kind=name.lstrip("\\"),
            entities=tuple(entity for entity in entities if self.config.provides(entity)),
            hints=() if record is None else (str(record),),
        )


def _events(body: bytes) -> Sequence[Mapping[str, Any]]:
    events = events_in(body, ("eventname",))
    if not events:
        raise BrokenPage(
            "a delivery holds no events of Moodle: neither one with an eventname, nor a list of them.",
            remedy="Have the site's plugin send JSON. What the delivery spoke of comes with the next read.",
        )
    return events
