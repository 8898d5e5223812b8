from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from connector_pipelines.capabilities import (
    PROTOCOLS,
    Batch,
    DataSync,
    Inventory,
    Roster,
    Webhook,
    capabilities,
    require,
    require_realtime,
)
from connector_pipelines.errors import ConfigurationError
from connector_pipelines.model import Connector, Health, Source, Stream

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass
class Signed:
    """A webhook."""

    def genuine(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Whether it is signed."""
        return headers.get("signature") == body.decode()

    def changed(self, body: bytes) -> Sequence[str]:
        """What to read again."""
        return [body.decode()]


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
    assert require(both, Webhook).changed(b"students") == ["students"]
    assert [stream.entity for stream in require(both, Roster).roster()] == ["students"]
    assert [stream.entity for stream in require(both, Inventory).inventory()] == ["vendors"]
    assert len(require(both, DataSync).data()) == 2


@pytest.mark.parametrize("protocol", [p for p in PROTOCOLS.values() if p != PROTOCOLS["authentication"]])
def test_what_is_missing_is_an_error_before_anything_is_sent(protocol: type) -> None:
    """Asking for what a connector lacks names it and what there is; the source is not even opened."""
    with pytest.raises(ConfigurationError, match=r"acme cannot do .*It can do: authentication\."):
        require(source(), protocol)


def test_half_a_protocol_is_none() -> None:
    """An object that has only a part of what a protocol asks for does not count."""
    assert "batch" not in capabilities(source(abilities=(Signed(),)))
    with pytest.raises(ConfigurationError, match="cannot do batch"):
        require(source(abilities=(object(),)), Batch)


def test_following_in_real_time_is_refused_where_nothing_could_follow() -> None:
    """A source that neither takes webhooks nor may be asked often is refused by name; either ability is enough."""
    for ability in (Signed(), Quick()):
        require_realtime(source("students", abilities=(ability,)))
    with pytest.raises(ConfigurationError, match=r"acme cannot be followed in real time.*every hour"):
        require_realtime(source("students"))
