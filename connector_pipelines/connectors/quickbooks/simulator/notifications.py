"""Signed notifications, as Intuit's webhooks deliver them, in both forms.

They misbehave by switches of their own, since nobody asks for them: twice, in any order, with a signature that is none,
and for several companies at once, as Intuit sends what happens in all that an app is connected to.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import TYPE_CHECKING, Literal
from uuid import NAMESPACE_URL, uuid5

from connector_pipelines.simulating.faults import Faults, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

VERIFIER_TOKEN = "simulated-verifier"  # noqa: S105 -- verifies nothing but simulated notifications
Form = Literal["notifications", "cloudevents"]
Told = tuple[str, str, str, str]
"""Realm id, table, record id, operation: ("4620", "Item", "19", "Update")."""

Delivery = tuple[dict[str, str], bytes]
"""Headers and body."""

OTHER_REALM = "9130354321987650"
"""Another company that is connected to the same app."""

HOOKS = Faults(
    {
        "twice": Kind("every delivery comes twice"),
        "reordered": Kind("the last delivery comes first"),
        "forged": Kind("before every delivery another one comes, of another record, whose signature is none of ours"),
        "two-realms": Kind("every delivery tells the same of a second company"),
    }
)
"""What may go wrong with deliveries."""

_PAST = {"Create": "created", "Update": "updated", "Delete": "deleted", "Merge": "merged", "Void": "voided"}


def notification(
    told: Sequence[Told], form: Form, at: str = "2026-01-02T03:04:05.000Z", *, signed_by: str = VERIFIER_TOKEN
) -> Delivery:
    """Headers and body of one delivery."""
    document = _cloud_events(told, at) if form == "cloudevents" else _notifications(told, at)
    body = json.dumps(document).encode()
    signature = base64.b64encode(hmac.new(signed_by.encode(), body, hashlib.sha256).digest()).decode()
    return {"intuit-signature": signature, "Content-Type": "application/json"}, body


def deliveries(
    told: Sequence[Sequence[Told]], form: Form, at: str, struck: Sequence[Mapping[str, str]]
) -> list[Delivery]:
    """One delivery for each of several happenings, in the order in which they come.

    Args:
        told: what each is about.
        form: Intuit's older or newer one.
        at: when they happened.
        struck: what goes wrong with each, of `HOOKS`.
    """
    sent = [one for happened, faults in zip(told, struck, strict=True) for one in _sent(happened, form, at, faults)]
    return sent[::-1] if any("reordered" in faults for faults in struck) else sent


def _sent(told: Sequence[Told], form: Form, at: str, struck: Mapping[str, str]) -> Iterator[Delivery]:
    if "forged" in struck:
        others = [(realm, name, f"{key}000", operation) for realm, name, key, operation in told]
        yield notification(others, form, at, signed_by=f"not {VERIFIER_TOKEN}")
    if "two-realms" in struck:
        told = [*told, *((OTHER_REALM, name, key, operation) for _, name, key, operation in told)]
    for _ in range(2 if "twice" in struck else 1):
        yield notification(told, form, at)


def _notifications(told: Sequence[Told], at: str) -> object:
    realms = dict.fromkeys(realm for realm, *_ in told)
    changed = {
        realm: [
            {"name": name, "id": key, "operation": operation, "lastUpdated": at}
            for of, name, key, operation in told
            if of == realm
        ]
        for realm in realms
    }
    return {
        "eventNotifications": [
            {"realmId": realm, "dataChangeEvent": {"entities": entities}} for realm, entities in changed.items()
        ]
    }


def _cloud_events(told: Sequence[Told], at: str) -> object:
    return [
        {
            "specversion": "1.0",
            "id": str(uuid5(NAMESPACE_URL, f"{realm}/{name}/{key}/{operation}/{at}")),
            "source": "intuit.simulator",
            "type": f"qbo.{name.lower()}.{_PAST[operation]}.v1",
            "datacontenttype": "application/json",
            "time": at,
            "intuitentityid": key,
            "intuitaccountid": realm,
            "data": {},
        }
        for realm, name, key, operation in told
    ]
