"""QuickBooks' notifications: whether one is genuine, and what to read again. Pure.

They say that something changed, never what it is now, and may come twice, late or in any order; so they are a reason to
read, and change data capture is what is read. Both forms are understood: the first one, and the CloudEvents that
replace it, of which one delivery may speak of several companies.
https://developer.intuit.com/app/developer/qbo/docs/develop/webhooks
"""

from __future__ import annotations

import hmac
import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar

from connector_pipelines.errors import BrokenPage
from connector_pipelines.external import redact
from connector_pipelines.external.signing import decoded, hmac_of
from connector_pipelines.notices import Notice

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from connector_pipelines.connectors.quickbooks.config import QuickBooksConfig, QuickBooksHook
    from connector_pipelines.notices import Delivery

SIGNATURE = "intuit-signature"
"""The header with the signature, in any case."""

ENTITIES: Mapping[str, tuple[str, ...]] = {
    "item": ("inventory_items",),
    "vendor": ("vendors",),
    "purchaseorder": ("purchase_orders", "purchase_order_lines"),
}
"""Which core entities to read again, by the name of what changed in lower case. Other names concern nothing of ours."""

_TYPE = re.compile(r"qbo\.([a-z]+)\.([a-z]+)\.v\d+")
_OPERATIONS = {
    "created": "create",
    "updated": "update",
    "deleted": "delete",
    "merged": "merge",
    "voided": "void",
}


@dataclass(frozen=True, slots=True, order=True)
class Change:
    """One thing that changed.

    Attributes:
        realm_id: of the company.
        name: what changed, in lower case: "item".
        external_id: its id there.
        operation: create, update, delete, merge, void, emailed.
        at: when, in UTC; None where that cannot be read.
        event_id: of the event; None in the first form, which has none.
    """

    realm_id: str
    name: str
    external_id: str
    operation: str
    at: datetime | None
    event_id: str | None = field(default=None, compare=False)

    @property
    def entities(self) -> tuple[str, ...]:
        """The core entities to read again; none for what feeds nothing of ours."""
        return ENTITIES.get(self.name, ())

    @property
    def identity(self) -> str | None:
        """By which the same event is known when it comes again; None where nothing tells it from a later one."""
        if self.event_id or self.at is None:
            return self.event_id
        return f"{self.realm_id}/{self.name}/{self.external_id}/{self.operation}/{self.at.isoformat()}"


@dataclass(frozen=True, slots=True)
class Notifications:
    """The notifications of one company (`capabilities.Hook`).

    Intuit has one address for each app, whatever companies it is connected to; so each source takes the events of its
    own realm, at whichever source's address they arrive.
    """

    config: QuickBooksConfig
    options: QuickBooksHook

    shared: ClassVar[bool] = True

    def genuine(self, delivery: Delivery, now: datetime) -> bool:  # noqa: ARG002 -- Intuit signs no time; the events' ids stop repetition
        """Whether Intuit signed this for the app."""
        return genuine(delivery.headers, delivery.body, self.options.verifier_token.reveal())

    def notices(self, delivery: Delivery) -> Sequence[Notice]:
        """What changed in this company."""
        return [
            Notice(
                kind=f"{change.name}.{change.operation}",
                entities=tuple(entity for entity in change.entities if self.config.provides(entity)),
                id=change.identity,
                hints=(change.external_id,),
            )
            for change in changes(delivery.body)
            if change.realm_id == self.config.realm_id
        ]


def genuine(headers: Mapping[str, str], body: bytes, verifier_token: str) -> bool:
    """Whether Intuit signed this body: HMAC-SHA256 over its very bytes, in base64, compared in constant time.

    Args:
        headers: of the request, names in any case.
        body: as it came, not decoded and encoded again.
        verifier_token: the app's, from Intuit's developer portal. An empty one verifies nothing.
    """
    given = next((value for name, value in headers.items() if name.lower() == SIGNATURE), "")
    signature = decoded(given, "base64")
    expected = hmac_of(verifier_token, body)
    return bool(verifier_token) and signature is not None and hmac.compare_digest(signature, expected)


def changes(body: bytes) -> tuple[Change, ...]:
    """What a notification says that changed, each thing once, in the order it says it.

    Raises:
        BrokenPage: it is neither of the two forms.
    """
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        raise _unknown(body) from None
    try:
        found = _cloud_events(told) if isinstance(told, list) else _notifications(told)
    except (KeyError, TypeError, AttributeError):
        raise _unknown(body) from None
    return tuple(dict.fromkeys(found))


def to_read(body: bytes, realm_id: str) -> tuple[str, ...]:
    """The core entities of one company to read again because of a notification, parents first.

    Raises:
        BrokenPage: it is neither of the two forms.
    """
    touched = {entity for change in changes(body) if change.realm_id == realm_id for entity in change.entities}
    return tuple(e for e in ("vendors", "inventory_items", "purchase_orders", "purchase_order_lines") if e in touched)


def _notifications(told: Mapping[str, Any]) -> list[Change]:
    return [
        Change(
            str(notification["realmId"]),
            str(entity["name"]).lower(),
            str(entity["id"]),
            str(entity["operation"]).lower(),
            _moment(entity.get("lastUpdated")),
        )
        for notification in told["eventNotifications"]
        for entity in notification["dataChangeEvent"]["entities"]
    ]


def _cloud_events(told: list[Mapping[str, Any]]) -> list[Change]:
    """Events of other types than QuickBooks' records are none of ours, and no mistake."""
    found = []
    for event in told:
        of = _TYPE.fullmatch(str(event["type"]).lower())
        if of:
            name, happened = of.groups()
            operation = _OPERATIONS.get(happened, happened)
            realm, identity = str(event["intuitaccountid"]), str(event["intuitentityid"])
            told_by = str(event["id"]) if event.get("id") else None
            found.append(Change(realm, name, identity, operation, _moment(event.get("time")), told_by))
    return found


def _moment(text: object) -> datetime | None:
    try:
        at = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)


def _unknown(body: bytes) -> BrokenPage:
    return BrokenPage(
        f"a notification is in neither of QuickBooks' two forms; it begins: {redact.excerpt(body)!r}.",
        remedy="Look at the delivery in Intuit's developer portal; what it spoke of comes with the next read.",
    )
