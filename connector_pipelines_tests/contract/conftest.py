"""How each connector's simulator is run and configured. A connector without an entry fails the suite."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, get_args

import pytest
import stamina

from connector_pipelines.connectors import connectors
from connector_pipelines.connectors.canvas.simulator import Simulator as CanvasSimulator
from connector_pipelines.connectors.finale.simulator import Simulator as FinaleSimulator
from connector_pipelines.connectors.google_classroom.config import Gradebook, Rosters
from connector_pipelines.connectors.google_classroom.simulator import Simulator as ClassroomSimulator
from connector_pipelines.connectors.moodle.config import Entities
from connector_pipelines.connectors.moodle.simulator import Simulator as MoodleSimulator
from connector_pipelines.connectors.oneroster.simulator import Simulator as OneRosterSimulator
from connector_pipelines.connectors.quickbooks.simulator import Simulator as QuickBooksSimulator
from connector_pipelines.declarative.simulator import Simulator as WarehouseSimulator
from connector_pipelines.model import Source

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager


@contextmanager
def _oneroster(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    with OneRosterSimulator(scenario="small", seed=7) as simulator:
        monkeypatch.setenv("CONTRACT_ID", simulator.client_id)
        monkeypatch.setenv("CONTRACT_SECRET", simulator.client_secret)
        auth = {
            "token_url": simulator.token_url,
            "client_id": "env:CONTRACT_ID",
            "client_secret": "env:CONTRACT_SECRET",
        }
        yield {"base_url": simulator.url, "auth": {"type": "oauth2"} | auth}


@contextmanager
def _mock(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:  # noqa: ARG001 -- it has no secrets
    yield {"scenario": "small", "seed": 7}


@contextmanager
def _finale(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    with FinaleSimulator(scenario="small", seed=7) as simulator:
        monkeypatch.setenv("CONTRACT_KEY", simulator.api_key)
        monkeypatch.setenv("CONTRACT_SECRET", simulator.api_secret)
        auth = {"type": "api_key", "key": "env:CONTRACT_KEY", "secret": "env:CONTRACT_SECRET"}
        yield {"base_url": simulator.url, "account": simulator.account, "auth": auth}


@contextmanager
def _moodle(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    with MoodleSimulator(scenario="small", seed=7) as simulator:
        monkeypatch.setenv("CONTRACT_TOKEN", simulator.token)
        yield {"base_url": simulator.url, "token": "env:CONTRACT_TOKEN", "entities": [*get_args(Entities)]}


@contextmanager
def _canvas(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    with CanvasSimulator(scenario="tiny", seed=7) as simulator:
        monkeypatch.setenv("CONTRACT_TOKEN", simulator.token)
        yield {"base_url": simulator.url, "auth": {"type": "bearer", "token": "env:CONTRACT_TOKEN"}}


class _InMemory:
    """Keeps a token for one test, which has no database."""

    def __init__(self) -> None:
        self._held: dict[str, Any] | None = None

    @contextmanager
    def alone(self) -> Iterator[_InMemory]:
        yield self

    def read(self) -> dict[str, Any] | None:
        return self._held

    def write(self, held: dict[str, Any]) -> None:
        self._held = held


@contextmanager
def _quickbooks(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    with QuickBooksSimulator(scenario="small", seed=7) as simulator:
        monkeypatch.setenv("CONTRACT_ID", simulator.client_id)
        monkeypatch.setenv("CONTRACT_SECRET", simulator.client_secret)
        monkeypatch.setenv("CONTRACT_TOKEN", simulator.refresh_token)
        keep = _InMemory()
        monkeypatch.setattr("connector_pipelines.connectors.quickbooks.client.kept", lambda _: keep)
        auth = {
            "token_url": simulator.token_url,
            "client_id": "env:CONTRACT_ID",
            "client_secret": "env:CONTRACT_SECRET",
            "refresh_token": "env:CONTRACT_TOKEN",
        }
        yield {"realm_id": simulator.realm_id, "base_url": simulator.url, "auth": auth}


@contextmanager
def _google_classroom(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    with ClassroomSimulator(scenario="tiny", seed=7) as simulator:
        monkeypatch.setenv("CONTRACT_KEY", simulator.private_key)
        auth = {"client_email": simulator.client_email, "private_key": "env:CONTRACT_KEY"}
        more = {"subject": simulator.subject, "token_url": simulator.token_url}
        entities = [*get_args(Rosters), *get_args(Gradebook)]
        yield {"base_url": simulator.url, "auth": {"type": "service_account"} | auth | more, "entities": entities}


@contextmanager
def _declared(monkeypatch: pytest.MonkeyPatch, **shape: Any) -> Iterator[dict[str, Any]]:
    with WarehouseSimulator() as simulator:
        monkeypatch.setenv("CONTRACT_SECRET", simulator.secret)
        auth = {"type": "bearer", "token": "env:CONTRACT_SECRET"}
        vendors = {"id": "supplierId", "modified": "updatedAt", "mapping": {"name": "supplierName"}}
        lines = {
            "id": ["_parent.id", "lineNo"],
            "each": {"entity": "purchase_orders", "field": "orderId"},
            "mapping": {"purchase_order_id": "_parent.id", "quantity": "quantity"},
        }
        orders = {"id": "orderId", "mapping": {"vendor_id": "supplierId"}}
        entities = {"vendors": vendors, "purchase_orders": orders, "purchase_order_lines": lines}
        merged = {name: entity | shape["entities"][name] for name, entity in entities.items()}
        paging = {"type": "page", "size": 25, "size_param": "per_page"}
        yield {"base_url": simulator.api_url, "auth": auth, "paging": paging, "entities": merged}


def _csv_api(monkeypatch: pytest.MonkeyPatch) -> AbstractContextManager[dict[str, Any]]:
    paths = {
        "vendors": "suppliers.csv",
        "purchase_orders": "orders.csv",
        "purchase_order_lines": "orders/$id/lines.csv",
    }
    return _declared(monkeypatch, entities={name: {"path": path} for name, path in paths.items()})


def _json_api(monkeypatch: pytest.MonkeyPatch) -> AbstractContextManager[dict[str, Any]]:
    paths = {"vendors": "suppliers", "purchase_orders": "orders", "purchase_order_lines": "orders/$id/lines"}
    return _declared(monkeypatch, entities={name: {"path": path, "records": "data"} for name, path in paths.items()})


SIMULATED = {
    "canvas": _canvas,
    "csv_api": _csv_api,
    "finale": _finale,
    "google_classroom": _google_classroom,
    "json_api": _json_api,
    "mock": _mock,
    "moodle": _moodle,
    "oneroster": _oneroster,
    "quickbooks": _quickbooks,
}


@pytest.fixture(params=sorted(connectors()))
def source(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Source]:
    """A source of each connector, on its simulator."""
    stamina.set_testing(True)
    connector = connectors()[request.param]
    with SIMULATED[connector.name](monkeypatch) as attributes:
        yield Source("contract", connector, connector.config.model_validate(attributes))
    stamina.set_testing(False)
