"""What an external system tells us by itself: a delivery, what it gives notice of, and who may tell. All frozen.

A notice is a reason to read, never data: it names what to read again, and the values in it go nowhere.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Delivery:
    """One request of a webhook.

    Attributes:
        headers: by name in lower case.
        body: as it came, not decoded and encoded again: a signature is over these bytes.
    """

    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing that changed, as far as we want to know.

    Attributes:
        kind: what the system calls it, for people: "qbo.item.updated".
        entities: the core entities to read again; none for what feeds nothing of ours.
        id: by which the system tells its events apart; the same id twice has one effect. None: every delivery counts,
            because two equal ones may be about two changes.
        hints: the ids of the records it names, for people.
    """

    kind: str
    entities: tuple[str, ...]
    id: str | None = None
    hints: tuple[str, ...] = ()


def events_in(body: bytes, kinds: Collection[str], *, envelope: str | None = None) -> Sequence[Mapping[str, Any]]:
    """The events of a body in JSON: one object, or a list of them. None where it holds something else, or nothing.

    Args:
        body: of a delivery.
        kinds: the names under which an event may say what it is; each has one of them.
        envelope: the name under which an object may hold the list.
    """
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return ()
    if isinstance(told, dict) and isinstance(told.get(envelope), list):
        told = told[envelope]
    events = told if isinstance(told, list) else [told]
    known = all(isinstance(event, dict) and any(kind in event for kind in kinds) for event in events)
    return events if known else ()


class HookOptions(BaseModel):
    """What every webhook may be told: who may call, how often, and how much at once."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    allowed_networks: tuple[IPv4Network | IPv6Network, ...] = Field(
        default=(), description="The networks that deliveries may come from, e.g. [203.0.113.0/24]. Empty: any."
    )
    deliveries_per_minute: int = Field(
        default=6_000, ge=1, description="Deliveries that one address may make in a minute, genuine or not."
    )
    max_kilobytes: int = Field(default=1_024, ge=1, le=65_536, description="The largest body that is read.")
