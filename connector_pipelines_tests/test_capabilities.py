from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest

from connector_pipelines.capabilities import (
    PROTOCOLS,
    Batch,
    DataSync,
    Hook,
    Inventory,
    Roster,
    Webhook,
    capabilities,
    hook_of,
    require,
    require_realtime,
)
from connector_pipelines.errors import ConfigurationError
from connector_pipelines.model import Connector, Health, Source, Stream
from connector_pipelines.notices import Delivery, HookOptions, Notice

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime


@dataclass
class Bound:
    """A webhook of one source."""

    options: HookOptions = field(default_factory=HookOptions)
    shared: bool = False

    def genuine(self, delivery: Delivery, now: datetime) -> bool:  # noqa: ARG002 -- the protocol's signature
        """Whether it is signed."""
        return delivery.headers.get("signature") == delivery.body.decode()

    def notices(self, delivery: Delivery) -> Sequence[Notice]:
        """What to read again."""
        return [Notice("changed", (delivery.body.decode(),))]


@dataclass
class Signed:
    """The ability to have a webhook."""

    def hook(self, config: object) -> Hook | None:
        """One for whoever is configured with anything."""
        return Bound() if config else None


class Quick:
    """A system that may be asked all the time."""

    def shortest_interval_seconds(self) -> float:
        """How often."""
        return 5.0


def _fine(_: object) -> Health:
    return Health(ok=True, detail="", latency_seconds=0)


def source(*entities: str, abilities: tuple[object, ...] = ()) -> Source:
    """A source that would fail if it were opened."""

    def opening(_: object) -> Any:
        raise AssertionError

    streams = [Stream(entity, None, None, None, {}, None, None) for entity in entities]  # type: ignore[arg-type]
    connector = Connector("toy", "Toy", object, opening, lambda _: streams, _fine, abilities)  # type: ignore[arg-type]
    return Source("acme", connector, None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("offering", "expected"),
    [
        (source(), ("authentication",)),
        (source("students"), ("data sync", "authentication", "roster")),
        (source("vendors"), ("data sync", "authentication", "inventory")),
        (source("students", abilities=(Signed(),)), ("data sync", "authentication", "roster", "webhook")),
    ],
)
def test_capabilities_follow_from_streams_and_abilities(offering: Source, expected: tuple[str, ...]) -> None:
    """What a source can do is what it reads, its connection test, and the protocols its abilities keep."""
    assert capabilities(offering) == expected


def test_what_is_there_is_handed_over() -> None:
    """A capability is an object that does it: the ability itself, or the streams of that half of the product."""
    both = source("students", "vendors", abilities=(Signed(),))
    assert require(both, Webhook).hook("configured") == Bound()
    assert [stream.entity for stream in require(both, Roster).roster()] == ["students"]
    assert [stream.entity for stream in require(both, Inventory).inventory()] == ["vendors"]
    assert len(require(both, DataSync).data()) == 2


@pytest.mark.parametrize("protocol", [p for p in PROTOCOLS.values() if p != PROTOCOLS["authentication"]])
def test_what_is_missing_is_an_error_before_anything_is_sent(protocol: type) -> None:
    """Asking for what a connector lacks names it and what there is; the source is not even opened."""
    with pytest.raises(ConfigurationError, match=r"acme cannot do .*It can do: authentication\."):
        require(source(), protocol)


def test_a_webhook_is_bound_to_a_configuration() -> None:
    """A source has a webhook where its connector can have one and its configuration switches it on."""
    signed = source("students", abilities=(object(), Signed()))
    assert hook_of(replace(signed, config="on")) == Bound()  # type: ignore[arg-type]
    assert hook_of(signed) is None
    assert hook_of(source("students")) is None


def test_half_a_protocol_is_none() -> None:
    """An object that has only a part of what a protocol asks for does not count."""
    assert "batch" not in capabilities(source(abilities=(Signed(),)))
    with pytest.raises(ConfigurationError, match="cannot do batch"):
        require(source(abilities=(object(),)), Batch)


def test_following_in_real_time_is_refused_where_nothing_could_follow() -> None:
    """A source that may not be asked often and has no webhook is refused by name, also where it could have one."""
    require_realtime(source("students", abilities=(Quick(),)))
    nothing: tuple[object, ...] = ()
    for abilities in (nothing, (Signed(),)):
        with pytest.raises(ConfigurationError, match=r"acme cannot be followed in real time.*every hour"):
            require_realtime(source("students", abilities=abilities))
