"""Sources that count their changes, from their simulator to core: the rules of the cursor hold for their positions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from connector_pipelines.connectors import connector
from connector_pipelines.database.connection import connect
from connector_pipelines.declarative.simulator import Simulator
from connector_pipelines.errors import NetworkError
from connector_pipelines.model import Mode, Source
from connector_pipelines.sync.context import Context
from connector_pipelines.sync.whole import sync

if TYPE_CHECKING:
    from collections.abc import Iterator

WAYS: dict[str, dict[str, Any]] = {
    "number": {
        "params": {"sort": "sequence"},
        "incremental": {"number": "sequence", "since": "since_sequence"},
        "paging": {"type": "last_record", "param": "since_sequence", "key": "sequence", "size": 15},
    },
    "token": {
        "params": {"sync": "true"},
        "incremental": {"token": "sync.token", "since": "sync_token"},
        "paging": {"type": "cursor", "next": "meta.next_cursor"},
    },
}


@pytest.fixture
def warehouse() -> Iterator[Simulator]:
    """A warehouse that behaves, for now."""
    with Simulator() as running:
        yield running


@pytest.fixture(params=WAYS)
def counted(request: Any, warehouse: Simulator) -> Source:
    """A source of its suppliers that goes on from where the last read ended."""
    vendors = {
        "path": "api/suppliers",
        "records": "data",
        "id": "supplierId",
        "mapping": {"name": "supplierName", "address": "address.city"},
    }
    whole = {
        "base_url": warehouse.url,
        "auth": {"type": "basic", "user": "env:WHOLE_ID", "password": "env:WHOLE_SECRET"},
        "entities": {"vendors": vendors | WAYS[request.param]},
    }
    return Source("district", connector("json_api"), connector("json_api").config.model_validate(whole))


def position(place: Any) -> str | None:
    """What the next increment asks for."""
    rows = place.rows("SELECT position FROM connector.sync_cursors WHERE entity = 'vendors' ORDER BY id DESC LIMIT 1")
    return json.loads(rows[0][0])["at"] if rows and rows[0][0] else None


def names(place: Any) -> dict[str, tuple[str, str]]:
    """What core holds."""
    return {key: (row["name"], row["address"]) for key, row in place.core("vendors").items()}


def truth(warehouse: Simulator) -> dict[str, tuple[str, str]]:
    """What core must hold."""
    return {r["supplierId"]: (r["supplierName"], r["address"]["city"]) for r in warehouse.records("suppliers")}


def test_increments_make_core_the_source(place: Any, warehouse: Simulator, counted: Source) -> None:
    """After a full read increments ask for what came behind it alone, and core is the source each time."""
    place.sync(counted, "vendors", mode=Mode.INCREMENTAL)  # nothing was ever read: everything is
    assert names(place) == truth(warehouse)
    for _ in range(3):
        before = position(place)
        warehouse.evolve(10)
        warehouse.calls.clear()
        place.sync(counted, "vendors", mode=Mode.INCREMENTAL)
        assert names(place) == truth(warehouse)
        assert any("since_sequence=" in target or "sync_token=" in target for _, target in warehouse.calls)
        assert position(place) != before
    runs = "SELECT since IS NULL, snapshot FROM connector.sync_runs ORDER BY id"
    assert place.rows(runs) == [(True, True)] + [(False, False)] * 3


def test_a_position_moves_with_what_is_in_core(place: Any, warehouse: Simulator, counted: Source) -> None:
    """Neither a dry run nor a read that fails moves it, nor a plan before it is applied to its end."""
    place.sync(counted, "vendors")
    before = position(place)
    warehouse.evolve(10)
    with connect(place.url) as connection:
        context = Context(connection, place.landing, url=place.url)
        list(sync(context, counted, mode=Mode.INCREMENTAL, entities=["vendors"], dry_run=True))
    assert position(place) == before
    warehouse.set_faults(["500"])
    with pytest.raises(NetworkError):
        place.sync(counted, "vendors", mode=Mode.INCREMENTAL)
    assert position(place) == before
    warehouse.set_faults([])
    place.sync(counted, "vendors", mode=Mode.INCREMENTAL)
    assert position(place) != before
    assert names(place) == truth(warehouse)


def test_a_full_read_repairs(place: Any, warehouse: Simulator, counted: Source) -> None:
    """What an increment could not see, since the position was wrong, a full read brings, with the right position."""
    place.sync(counted, "vendors")
    right = position(place)
    far = "999999999" if str(right).isdecimal() else "t:OTk5OTk5OTk5"
    place.rows(
        "UPDATE connector.sync_cursors SET position = (position::jsonb || jsonb_build_object('at', %s::text))::text"
        " RETURNING id",
        far,
    )
    warehouse.evolve(10)
    place.sync(counted, "vendors", mode=Mode.INCREMENTAL)
    assert names(place) != truth(warehouse)
    place.sync(counted, "vendors", mode=Mode.FULL)
    assert names(place) == truth(warehouse)
    assert position(place) not in {right, far}
    place.sync(counted, "vendors", mode=Mode.INCREMENTAL)
    assert names(place) == truth(warehouse)
