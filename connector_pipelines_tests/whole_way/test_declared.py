"""Sources declared in YAML alone, from their simulator to core: JSON and CSV, vendors to order lines, students."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from connector_pipelines.connectors import connector
from connector_pipelines.declarative.simulator import Simulator
from connector_pipelines.errors import AuthFailed, BrokenPage, MappingFailed, NetworkError, RateLimited, SyncError
from connector_pipelines.model import Mode, PlanState, Source
from connector_pipelines.policy import SyncPolicy

if TYPE_CHECKING:
    from collections.abc import Iterator

Record = dict[str, Any]

STATES = {"DRAFT": "draft", "SENT": "open", "RECEIVED": "closed", "VOID": "cancelled"}
COMMON: dict[str, Record] = {
    "vendors": {
        "id": "supplierId",
        "mapping": {
            "name": "supplierName",
            "contact_email": "email",
            "lead_time_days": "leadTimeDays",
            "address": "address.city",
            "status": {"path": "active", "values": {"true": "active", "false": "inactive"}},
        },
    },
    "inventory_items": {
        "id": "productCode",
        "mapping": {
            "sku": "productCode",
            "barcode": "productId",
            "name": "name",
            "quantity_on_hand": "qtyOnHand",
            "reorder_point": "reorderLevel",
            "preferred_vendor_id": "defaultSupplierId",
            "unit_cost": "unitCost",
            "currency": {"value": "EUR"},
        },
    },
    "purchase_orders": {
        "id": "orderId",
        "mapping": {
            "order_number": "orderId",
            "vendor_id": "supplierId",
            "order_date": "orderedOn",
            "expected_date": {"path": "dueOn", "format": "%d.%m.%Y"},
            "total_amount": "total",
            "status": {"path": "state", "values": STATES},
        },
    },
    "purchase_order_lines": {
        "id": ["_parent.orderId", "lineNo"],
        "mapping": {
            "purchase_order_id": "_parent.orderId",
            "inventory_item_id": "productCode",
            "line_number": "lineNo",
            "quantity": "quantity",
            "unit_price": "unitPrice",
        },
    },
    "students": {
        "id": "studentId",
        "mapping": {
            "given_name": "firstName",
            "family_name": "lastName",
            "email": "mail",
            "grades": "grades",
            "enabled": "enrolled",
        },
    },
}
FOLDERS = {"vendors": "suppliers", "inventory_items": "products", "purchase_orders": "orders", "students": "students"}
CHANGES = {"modified": "updatedAt", "deleted": "deleted", "incremental": {"since": "updated_since"}}


def merged(shapes: dict[str, Record]) -> dict[str, Record]:
    """The common mapping with what is special about a format; all but lines can be asked for changes."""
    changes = {entity: {} if entity == "purchase_order_lines" else CHANGES for entity in shapes}
    return {entity: COMMON[entity] | changes[entity] | shape for entity, shape in shapes.items()}


def json_source(simulator: Simulator, **more: Any) -> Source:
    """A JSON source: pages by cursor and offset, products as columns, lines within orders."""
    listed: dict[str, dict[str, Any]] = {
        entity: {"path": f"api/{folder}", "records": "data"} for entity, folder in FOLDERS.items()
    }
    listed["inventory_items"] = {
        "path": "columns/products",
        "layout": "columns",
        "paging": {"type": "offset", "size": 40},
    }
    lines = {"path": "api/orders", "records": "data", "expand": "lines"}
    paging = {"type": "cursor", "next": "meta.next_cursor", "total": "meta.total", "size": 25, "size_param": "limit"}
    return source("json_api", simulator, listed | {"purchase_order_lines": lines}, paging, more)


def csv_source(simulator: Simulator, **more: Any) -> Source:
    """A CSV source: pages by number, some of them packed, lines asked for of each order."""
    endings = {"vendors": ".csv.gz", "inventory_items": ".csv", "purchase_orders": ".csv.zip", "students": ".csv"}
    listed: dict[str, Record] = {
        entity: {"path": f"api/{folder}{endings[entity]}"} for entity, folder in FOLDERS.items()
    }
    each = {"entity": "purchase_orders", "field": "orderId", "name": "orderId"}
    lines = {"path": "api/orders/$orderId/lines.csv", "each": each}
    paging = {"type": "page", "size": 30, "size_param": "per_page", "total": {"header": "X-Total-Count"}}
    return source("csv_api", simulator, listed | {"purchase_order_lines": lines}, paging, {"member": "*.csv"} | more)


def source(kind: str, simulator: Simulator, shapes: dict[str, Record], paging: Record, more: Record) -> Source:
    """A declared source."""
    auth = {"type": "basic", "user": "env:WHOLE_ID", "password": "env:WHOLE_SECRET"}
    entities = merged(shapes)
    if more.get("only"):
        entities = {more.pop("only"): entities["vendors"]}
    whole = {"base_url": simulator.url, "auth": auth, "paging": paging, "entities": entities} | more
    return Source("district", connector(kind), connector(kind).config.model_validate(whole))


SOURCES = {"json": json_source, "csv": csv_source}


@pytest.fixture
def warehouse() -> Iterator[Simulator]:
    """A small warehouse that behaves, for now."""
    with Simulator(sizes={"orders": 30, "products": 90}) as running:
        yield running


GONE = {"inactive", "cancelled"}


def truth(simulator: Simulator) -> dict[str, dict[str, Record]]:
    """What core must hold, from the simulator's records."""
    orders = simulator.records("orders")
    return {
        "vendors": {r["supplierId"]: _vendor(r) for r in simulator.records("suppliers")},
        "inventory_items": {r["productCode"]: _item(r) for r in simulator.records("products")},
        "purchase_orders": {r["orderId"]: _order(r) for r in orders},
        "purchase_order_lines": {f"{o['orderId']}/{r['lineNo']}": _line(o, r) for o in orders for r in o["lines"]},
        "students": {r["studentId"]: _student(r) for r in simulator.records("students")},
    }


def kept(earlier: dict[str, dict[str, Record]], now: dict[str, dict[str, Record]]) -> dict[str, dict[str, Record]]:
    """The truth, but that a deleted record keeps what it leaves empty."""
    return {
        entity: {
            key: row | {name: earlier[entity][key][name] for name, value in row.items() if value is None}
            if row["status"] in GONE and key in earlier[entity]
            else row
            for key, row in rows.items()
        }
        for entity, rows in now.items()
    }


def _vendor(r: Record) -> Record:
    return {
        "name": r["supplierName"],
        "contact_email": r["email"],
        "phone": None,
        "website": None,
        "address": r["address"]["city"],
        "account_number": None,
        "lead_time_days": r["leadTimeDays"],
        "currency": None,
        "status": "active" if r["active"] and not r["deleted"] else "inactive",
    }


def _item(r: Record) -> Record:
    return dict.fromkeys(
        ("description", "item_type", "category", "unit_price", "quantity_on_order", "quantity_reserved")
    ) | {
        "sku": r["productCode"],
        "name": r["name"],
        "barcode": str(r["productId"]),
        "unit_cost": Decimal(str(r["unitCost"])),
        "currency": "EUR",
        "quantity_on_hand": Decimal(r["qtyOnHand"]),
        "reorder_point": None if r["reorderLevel"] is None else Decimal(r["reorderLevel"]),
        "status": "inactive" if r["deleted"] else "active",
        "preferred_vendor": r["defaultSupplierId"],
    }


def _order(r: Record) -> Record:
    return {
        "order_number": r["orderId"],
        "order_date": date.fromisoformat(r["orderedOn"]),
        "expected_date": datetime.strptime(r["dueOn"], "%d.%m.%Y").date(),  # noqa: DTZ007 -- a day
        "total_amount": Decimal(str(r["total"])),
        "currency": None,
        "memo": None,
        "status": "cancelled" if r["deleted"] else STATES[r["state"]],
        "vendor": r["supplierId"],
    }


def _line(order: Record, r: Record) -> Record:
    return {
        "line_number": r["lineNo"],
        "description": None,
        "quantity": Decimal(r["quantity"]),
        "quantity_received": None,
        "unit_price": Decimal(str(r["unitPrice"])),
        "amount": None,
        "status": "open",
        "purchase_order": order["orderId"],
        "inventory_item": r["productCode"],
    }


def _student(r: Record) -> Record:
    return dict.fromkeys(("middle_name", "preferred_name", "username", "phone", "student_number", "organization")) | {
        "given_name": r["firstName"],
        "family_name": r["lastName"],
        "email": r["mail"],
        "grades": r["grades"][0],
        "enabled": r["enrolled"] == "Y",
        "status": "inactive" if r["deleted"] else "active",
    }


def written(done: dict[str, Any]) -> int:
    """How many rows a sync created or updated."""
    return sum(outcome.plan.counts.created + outcome.plan.counts.updated for outcome in done.values())


@pytest.mark.parametrize("declare", SOURCES.values(), ids=SOURCES)
def test_core_is_the_source(place: Any, warehouse: Simulator, declare: Any) -> None:
    """One sync makes core the source, row by row; a second writes nothing; after changes core is the source again."""
    first = place.sync(declare(warehouse))
    assert place.differences(truth(warehouse)) == []
    assert all(outcome.verified for outcome in first.values())
    assert place.letters() == place.letters("waiting") == []
    before = place.checksum()
    second = place.sync(declare(warehouse))
    assert (written(second), place.checksum()) == (0, before)
    earlier = truth(warehouse)
    warehouse.evolve(15)
    third = place.sync(declare(warehouse))
    assert 0 < written(third) < written(first)
    assert place.differences(kept(earlier, truth(warehouse))) == []


def test_an_increment_brings_what_changed(place: Any, warehouse: Simulator) -> None:
    """An increment asks for what changed since the last read, and core is the source again."""
    declared = json_source(warehouse)
    place.sync(declared)
    place.set_back(datetime.fromisoformat("2026-03-02T12:00:00+00:00"))
    warehouse.evolve(15)
    changed = [r for r in warehouse.records("students") if r["updatedAt"] > "2026-03-03"]
    warehouse.calls.clear()
    done = place.sync(declared, "vendors", "students", mode=Mode.INCREMENTAL)
    assert done["students"].plan.counts.fetched == len(changed) > 0
    assert all("updated_since=" in target for _, target in warehouse.calls)
    found = truth(warehouse)
    deleted = {r["studentId"] for r in warehouse.records("students") if r["deleted"]}
    known = place.core("students")
    assert place.differences({"vendors": found["vendors"]}) == []
    assert {key: row for key, row in found["students"].items() if key in known or key not in deleted} == known


@pytest.mark.parametrize("declare", SOURCES.values(), ids=SOURCES)
@pytest.mark.parametrize(
    ("fault", "kind", "sentence"),
    [
        ("401", AuthFailed, "district/vendors: .*answered 401"),
        ("429-html@2", None, ""),
        ("429-date", RateLimited, "answered 429"),
        ("500", NetworkError, "tried 6 times"),
        ("reset", NetworkError, "broke off"),
        ("html-200", BrokenPage, "HTML or XML"),
        ("missing-field=email", MappingFailed, "'email', which feeds contact_email"),
        ("total=3", NetworkError, "rows and sent"),
        ("shift", NetworkError, "while it was read"),
        ("repeat-page", BrokenPage, "repeats a page"),
    ],
)
def test_a_failing_read_leaves_core_alone(
    place: Any, warehouse: Simulator, *, declare: Any, fault: str, kind: type[SyncError] | None, sentence: str
) -> None:
    """Each failure ends in an error that names source and entity, or is borne; core stays byte by byte as it was."""
    declared = declare(warehouse, in_flight=1)
    place.sync(declared, "vendors")
    before = place.checksum()
    warehouse.set_faults([fault])
    if kind is None:
        place.sync(declared, "vendors")
    else:
        with pytest.raises(kind, match=sentence) as caught:
            place.sync(declared, "vendors")
        assert str(caught.value).startswith("district/vendors: ")
    assert place.checksum() == before


@pytest.mark.parametrize(("fault", "dropped"), [("", 1), ("shift=remove", 1), ("shift=insert", 0)])
def test_drops_rest_on_offsets_that_are_proven(place: Any, warehouse: Simulator, *, fault: str, dropped: int) -> None:
    """A supplier that vanished becomes inactive after a read by offset that held still, or was mended, and no other."""
    paging = {"type": "offset", "size": 12, "total": "meta.total", "fixed_order": True}
    declared = replace(json_source(warehouse, paging=paging, in_flight=1), policy=SyncPolicy(drops=("vendors",)))
    place.sync(declared, "vendors")
    warehouse.world.remove("suppliers", 20)
    warehouse.set_faults([fault] if fault else [])
    outcome = place.sync(declared, "vendors")["vendors"]
    gone = "SELECT external_id FROM connector.external_system_mappings WHERE sync_metadata ? 'dropped by'"
    assert outcome.plan.counts.dropped == dropped
    assert outcome.verified
    assert ("S000020",) in place.rows(gone) or not dropped


def test_an_empty_answer_after_a_full_one_is_held(place: Any, warehouse: Simulator) -> None:
    """A source that suddenly sends nothing makes a plan that waits for a person; core stays as it was."""
    declared = json_source(warehouse, paging={"type": "none"})
    place.sync(declared, "vendors")
    before = place.core("vendors")
    warehouse.set_faults(["empty-list"])
    done = place.sync(declared, "vendors")
    assert done["vendors"].receipt is None
    assert place.core("vendors") == before


@pytest.mark.parametrize("declare", SOURCES.values(), ids=SOURCES)
def test_bad_rows_stand_aside(place: Any, warehouse: Simulator, declare: Any) -> None:
    """One bad value in a page is one dead letter with its reason; all other rows reach core."""
    warehouse.set_faults(["not-a-number@1"])
    done = place.sync(declare(warehouse, in_flight=1), "vendors")
    assert done["vendors"].plan.counts.dead_lettered == 1
    [(entity, key, reason)] = place.letters()
    assert (entity, key) == ("vendors", "S000001")
    assert reason == "lead_time_days must be a whole number (from leadTimeDays)"
    assert len(place.core("vendors")) == 39


def test_the_mapping_alone_decides(place: Any, warehouse: Simulator) -> None:
    """Another mapping of the same records changes every row of the plan, although no record changed (E52)."""
    declared = json_source(warehouse)
    place.sync(declared, "vendors")
    whole = declared.config.model_dump(mode="json")
    whole["entities"]["vendors"]["mapping"]["name"] = {"path": "join(' in ', [supplierName, address.city])"}
    other = Source("district", declared.connector, declared.connector.config.model_validate(whole))
    done = place.sync(other, "vendors")
    plan = done["vendors"].plan
    assert (plan.counts.updated, plan.counts.unchanged) == (40, 0)
    assert plan.state is PlanState.HELD  # so many changes wait for a person, as they should
