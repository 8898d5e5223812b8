"""Who may deliver: the reasons to turn a call away, and the two that need nothing but an address."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from enum import Enum
from http import HTTPStatus
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from connector_pipelines.notices import HookOptions
    from connector_pipelines.settings import Network

_MINUTE = 60.0
_CALLERS = 10_000
"""So many callers are counted; who calls from ever new addresses pushes out the quietest."""


class Refusal(Enum):
    """Why a call is turned away. The caller is told its status and nothing else."""

    UNKNOWN = "no such webhook", HTTPStatus.NOT_FOUND
    FORBIDDEN = "address not allowed", HTTPStatus.FORBIDDEN
    TOO_OFTEN = "too many deliveries", HTTPStatus.TOO_MANY_REQUESTS
    TOO_LARGE = "body too large", HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    NOT_GENUINE = "signature or time wrong", HTTPStatus.UNAUTHORIZED
    UNREADABLE = "not understood", HTTPStatus.BAD_REQUEST

    @property
    def reason(self) -> str:
        """For the audit log and the metrics."""
        return self.value[0]

    @property
    def status(self) -> HTTPStatus:
        """For the caller."""
        return self.value[1]


def inside(address: str, networks: Iterable[Network]) -> bool:
    """Whether an address is in one of the networks; what is no address is in none."""
    try:
        at: IPv4Address | IPv6Address = ip_address(address)
    except ValueError:
        return False
    if isinstance(at, IPv6Address) and at.ipv4_mapped:
        at = at.ipv4_mapped
    return any(at in network for network in networks)


@dataclass(slots=True)
class Callers:
    """How often each address called each source: a bucket that fills again evenly over a minute.

    Who is turned away because of an address has not been verified yet; so one caller's noise never uses up what
    another one may send.
    """

    _left: OrderedDict[tuple[str, str], tuple[float, float]] = field(default_factory=OrderedDict)

    def admit(self, source: str, address: str, per_minute: int, now: float) -> bool:
        """Count a call, if it may be made.

        Args:
            source: whom it is for.
            address: whose call it is.
            per_minute: how many there may be.
            now: a clock that never goes back, in seconds.
        """
        left, before = self._left.pop((source, address), (float(per_minute), now))
        left = min(float(per_minute), left + (now - before) * per_minute / _MINUTE)
        admitted = left >= 1
        self._left[source, address] = left - admitted, now
        if len(self._left) > _CALLERS:
            self._left.popitem(last=False)
        return admitted


def refused(options: HookOptions, address: str) -> Refusal | None:
    """Why an address may not deliver; None where it may."""
    if options.allowed_networks and not inside(address, options.allowed_networks):
        return Refusal.FORBIDDEN
    return None
