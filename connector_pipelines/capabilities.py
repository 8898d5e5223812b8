"""What a source can do, by Protocol: whoever needs something asks for it before anything is sent (F50, E11).

Data sync, authentication, roster and inventory follow from a connector's streams and its check. Webhooks, realtime and
batch are objects that a connector lists among its `abilities`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

from connector_pipelines.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from connector_pipelines.model import Health, Source, Stream
    from connector_pipelines.notices import Delivery, HookOptions, Notice

ROSTER = frozenset(
    ("organizations", "terms", "courses", "sections", "students", "instructors", "enrollments", "teaching_assignments")
)
INVENTORY = frozenset(("inventory_items", "vendors", "purchase_orders", "purchase_order_lines"))


@runtime_checkable
class DataSync(Protocol):
    """Reads entities page by page."""

    def data(self) -> Sequence[Stream]:
        """What can be read."""


@runtime_checkable
class Authentication(Protocol):
    """Proves URL and credentials."""

    def authenticate(self, client: Any) -> Health:
        """Ask for as little as it takes."""


@runtime_checkable
class Roster(Protocol):
    """Feeds people, courses and who is in them."""

    def roster(self) -> Sequence[Stream]:
        """What can be read of it."""


@runtime_checkable
class Inventory(Protocol):
    """Feeds items, vendors and orders."""

    def inventory(self) -> Sequence[Stream]:
        """What can be read of it."""


class Hook(Protocol):
    """The webhook of one source, as its configuration has it: bound, so that nobody has to hand secrets around."""

    @property
    def options(self) -> HookOptions:
        """Who may call, how often, and how much at once."""

    @property
    def shared(self) -> bool:
        """Whether the system has one address for several sources, so that a delivery may concern any of them."""

    def genuine(self, delivery: Delivery, now: datetime) -> bool:
        """Whether the system sent this; compared in constant time, over the body's very bytes.

        Raises:
            SyncError: nobody can say, because a secret is missing.
        """

    def notices(self, delivery: Delivery) -> Sequence[Notice]:
        """What a genuine delivery says that changed.

        Raises:
            BrokenPage: it is nothing this system sends.
        """


@runtime_checkable
class Webhook(Protocol):
    """Is told by the system when something changed."""

    def hook(self, config: Any) -> Hook | None:
        """The webhook of a source with this configuration; None where it has none."""


@runtime_checkable
class Realtime(Protocol):
    """Can be asked every few seconds what changed."""

    def shortest_interval_seconds(self) -> float:
        """How often it may be asked."""


@runtime_checkable
class Batch(Protocol):
    """Takes several requests in one."""

    def batch(self, client: Any, requests: Sequence[Any]) -> Iterator[Any]:
        """The answers, in order."""


PROTOCOLS: Mapping[str, type] = {
    "data sync": DataSync,
    "authentication": Authentication,
    "roster": Roster,
    "inventory": Inventory,
    "webhook": Webhook,
    "realtime": Realtime,
    "batch": Batch,
}

P = TypeVar("P")


@dataclass(frozen=True, slots=True)
class _Data:
    streams: Sequence[Stream]

    def data(self) -> Sequence[Stream]:
        return self.streams


@dataclass(frozen=True, slots=True)
class _Roster:
    streams: Sequence[Stream]

    def roster(self) -> Sequence[Stream]:
        return self.streams


@dataclass(frozen=True, slots=True)
class _Inventory:
    streams: Sequence[Stream]

    def inventory(self) -> Sequence[Stream]:
        return self.streams


@dataclass(frozen=True, slots=True)
class _Authentication:
    source: Source

    def authenticate(self, client: Any) -> Health:
        return self.source.connector.check(client)


def capabilities(source: Source) -> tuple[str, ...]:
    """The names of what a source can do."""
    offered = _offered(source)
    return tuple(name for name, protocol in PROTOCOLS.items() if any(isinstance(one, protocol) for one in offered))


def require(source: Source, protocol: type[P]) -> P:
    """What a source offers of a kind.

    Raises:
        ConfigurationError: its connector cannot do that; nothing was sent.
    """
    for one in _offered(source):
        if isinstance(one, protocol):
            return one
    wanted = next(name for name, known in PROTOCOLS.items() if known is protocol)
    raise ConfigurationError(
        f"source {source.name} cannot do {wanted}: its connector {source.connector.name} has no such thing.",
        remedy=f"It can do: {', '.join(capabilities(source))}.",
    )


def require_realtime(source: Source) -> None:
    """Whether a source may be declared to follow its system as things happen (E11): asked often, or told.

    Raises:
        ConfigurationError: its connector does not keep `Realtime`, and no webhook is configured; nothing was sent.
    """
    if "realtime" not in capabilities(source) and hook_of(source) is None:
        raise ConfigurationError(
            f"source {source.name} cannot be followed in real time: its connector {source.connector.name} "
            "cannot be asked every few seconds, and the source declares no webhook.",
            remedy="Declare its webhook, or let it be read every hour, every day, or by hand.",
        )


def _offered(source: Source) -> list[object]:
    offered: list[object] = [*source.connector.abilities, _Authentication(source)]
    streams = source.streams
    roster = [stream for stream in streams if stream.entity in ROSTER]
    inventory = [stream for stream in streams if stream.entity in INVENTORY]
    if streams:
        offered.append(_Data(streams))
    if roster:
        offered.append(_Roster(roster))
    if inventory:
        offered.append(_Inventory(inventory))
    return offered


def hook_of(source: Source) -> Hook | None:
    """The webhook that a source's configuration switches on; None where it has none."""
    offering = [one for one in source.connector.abilities if isinstance(one, Webhook)]
    return next((hook for one in offering if (hook := one.hook(source.config)) is not None), None)
