"""A warehouse on real HTTP, and JSON sources of it that a test declares in a few words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import stamina

from connector_pipelines.connectors.json_api import CONNECTOR
from connector_pipelines.connectors.json_api.config import JsonApiConfig
from connector_pipelines.declarative.simulator import Simulator
from connector_pipelines.mapping.fingerprints import Sieve
from connector_pipelines.model import Stream, Window
from connector_pipelines.validation.accept import Accepted, accept

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connector_pipelines.pages import Page

VENDORS: dict[str, Any] = {
    "path": "suppliers",
    "records": "data",
    "id": "supplierId",
    "mapping": {"name": "supplierName"},
}


@dataclass
class Warehouse:
    """A simulator, and how to declare a source of its suppliers."""

    simulator: Simulator

    def config(self, vendors: dict[str, Any] | None = None, **source: Any) -> JsonApiConfig:
        """A source with one entity; `vendors` says what is special about that, keywords what is about the source."""
        auth = {"type": "bearer", "token": "env:WAREHOUSE_SECRET"}
        entities = {"vendors": VENDORS | (vendors or {})}
        return JsonApiConfig.model_validate(
            {"base_url": self.simulator.api_url, "auth": auth, "entities": entities} | source
        )

    def pages(self, config: JsonApiConfig, entity: str = "vendors", window: Window | None = None) -> list[Page]:
        """All pages of an entity."""
        with CONNECTOR.open(config) as client:
            return list(stream_of(config, entity).read(client, window or Window()).pages)

    def keys(self, config: JsonApiConfig, entity: str = "vendors", window: Window | None = None) -> list[str]:
        """The ids of all accepted records, in order, repeated ones included."""
        found = self.accepted(config, entity, window)
        return list(found.frame["external_id"])

    def accepted(self, config: JsonApiConfig, entity: str = "vendors", window: Window | None = None) -> Accepted:
        """What validation says of everything that was read."""
        sieve = Sieve(0, None)
        return accept(stream_of(config, entity), [sieve.sift(page) for page in self.pages(config, entity, window)])

    def targets(self) -> list[str]:
        """What was asked so far, without the host."""
        return [target for _, target in self.simulator.calls]


def stream_of(config: JsonApiConfig, entity: str) -> Stream:
    """An entity's stream."""
    return next(stream for stream in CONNECTOR.streams(config) if stream.entity == entity)


@pytest.fixture
def warehouse(monkeypatch: pytest.MonkeyPatch) -> Iterator[Warehouse]:
    """A warehouse that behaves, for now; nothing waits between tries."""
    stamina.set_testing(True)
    with Simulator() as simulator:
        monkeypatch.setenv("WAREHOUSE_SECRET", simulator.secret)
        monkeypatch.setenv("WAREHOUSE_USER", simulator.user)
        monkeypatch.setenv("WAREHOUSE_KEY", simulator.secret * 2)
        yield Warehouse(simulator)
    stamina.set_testing(False)


@pytest.fixture
def suppliers(warehouse: Warehouse) -> list[str]:
    """The ids of all suppliers."""
    return [record["supplierId"] for record in warehouse.simulator.records("suppliers")]
