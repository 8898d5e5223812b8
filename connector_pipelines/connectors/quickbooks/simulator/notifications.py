"""Signed notifications, as Intuit's webhooks deliver them, in both forms."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import TYPE_CHECKING, Literal
from uuid import NAMESPACE_URL, uuid5

if TYPE_CHECKING:
    from collections.abc import Sequence

VERIFIER_TOKEN = "simulated-verifier"  # noqa: S105 -- verifies nothing but simulated notifications
Form = Literal["notifications", "cloudevents"]
Told = tuple[str, str, str, str]
"""Realm id, table, record id, operation: ("4620", "Item", "19", "Update")."""

_PAST = {"Create": "created", "Update": "updated", "Delete": "deleted", "Merge": "merged", "Void": "voided"}


def notification(
    told: Sequence[Told], form: Form, at: str = "2026-01-02T03:04:05.000Z"
) -> tuple[dict[str, str], bytes]:
    """Headers and body of one delivery."""
    document = _cloud_events(told, at) if form == "cloudevents" else _notifications(told, at)
    body = json.dumps(document).encode()
    signature = base64.b64encode(hmac.new(VERIFIER_TOKEN.encode(), body, hashlib.sha256).digest()).decode()
    return {"intuit-signature": signature, "Content-Type": "application/json"}, body


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
