"""The connector against the simulator, which misbehaves as the service may."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from connector_pipelines.connectors.quickbooks import CONNECTOR
from connector_pipelines.connectors.quickbooks.simulator import Simulator
from connector_pipelines.errors import (
    AuthFailed,
    BrokenPage,
    NetworkError,
    RateLimited,
    RefusedBySource,
    SyncError,
)
from connector_pipelines.model import Window

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NOW = datetime.now(UTC).replace(microsecond=0)


def truth(simulator: Simulator, entity: str) -> list[str]:
    """The ids there are, sorted."""
    if entity == "vendors":
        found = [str(record["Id"]) for record in simulator.expected("Vendor")]
    elif entity == "inventory_items":
        found = [str(record["Id"]) for record in simulator.expected("Item") if record["Type"] != "Category"]
    else:
        orders = list(simulator.expected("PurchaseOrder"))
        lines = [f"{order['Id']}:{line['Id']}" for order in orders for line in order.get("Line", [])]
        found = lines if entity == "purchase_order_lines" else [str(order["Id"]) for order in orders]
    return sorted(found)


ENTITIES = ("vendors", "inventory_items", "purchase_orders", "purchase_order_lines")


@pytest.mark.parametrize("entity", ENTITIES)
@pytest.mark.parametrize("in_flight", [1, 4])
def test_every_record_arrives(company: Any, entity: str, in_flight: int) -> None:
    """A full read accepts exactly the records there are, inactive ones included."""
    assert company.ids(entity, in_flight=in_flight, page_size=20) == truth(company.simulator, entity)


HARMLESS = [
    ["hide-sku"],
    ["unknown-fields"],
    ["lower-case-headers"],
    ["gzip"],
    ["duplicate"],
    ["500@3"],
    ["503@3"],
    ["reset@3"],
    ["429@3"],
    ["429=seconds@3"],
    ["429=date@3"],
    ["429=html@3"],
    ["fault-200@3"],
    ["fault-200=throttle@3"],
    ["fault-200=authentication@3"],
    ["401@3"],
    ["rotate", "token-expiry=3"],
    ["500@1:token"],
    ["shift=remove@3"],
    ["shift=update@3"],
    ["shift=remove-many@3"],
]


@pytest.mark.parametrize("faults", HARMLESS, ids=[" ".join(faults) for faults in HARMLESS])
def test_harmless_faults_lose_nothing(company: Any, faults: list[str]) -> None:
    """Passing failures, dying tokens, odd headers and records that shift lose nothing that is still there."""
    company.simulator.set_faults(faults)
    read = company.ids("purchase_orders", page_size=40)
    assert set(truth(company.simulator, "purchase_orders")) <= set(read)


def test_sku_arrives_where_it_is_hidden(company: Any) -> None:
    """Where SELECT * leaves Sku out, it comes all the same."""
    company.simulator.set_faults(["hide-sku"])
    assert company.read("inventory_items").frame["sku"].notna().all()


FATAL: dict[str, tuple[str, type[SyncError], str]] = {
    "404": ("404", RefusedBySource, "404"),
    "403": ("403", AuthFailed, "ApplicationAuthorizationFailed.*intuit_tid 1-"),
    "401": ("401", AuthFailed, "after its credentials were renewed"),
    "429": ("429", RateLimited, "ThrottleExceeded.*intuit_tid 1-"),
    "500": ("500", NetworkError, "An application error has occurred"),
    "fault with 200": ("fault-200=validation", RefusedBySource, "Invalid query.*4001"),
    "html": ("html-200", BrokenPage, "HTML"),
    "xml": ("xml", BrokenPage, "XML"),
    "truncated": ("truncated", BrokenPage, "breaks off|no JSON"),
    "wrong charset": ("wrong-charset", BrokenPage, "UTF-8"),
    "another table": ("other-table:query", BrokenPage, "Customer where PurchaseOrder was asked for"),
    "the same page again": ("repeat-page:query", BrokenPage, "repeats a page"),
    "clamped pages": ("clamp=15:query", NetworkError, "fewer records came than QuickBooks counts"),
    "an empty table": ("empty:query", NetworkError, "fewer records came than QuickBooks counts"),
    "reset": ("reset", NetworkError, "tried 6 times"),
}


@pytest.mark.parametrize("name", FATAL)
def test_fatal_faults_are_told(company: Any, name: str) -> None:
    """What cannot be read is a clear error by its kind, and never an empty or shorter table."""
    fault, error, says = FATAL[name]
    company.simulator.set_faults([fault])
    with pytest.raises(error, match=f"(?s){says}"):
        company.read("purchase_orders", page_size=40)


def test_a_stalled_answer_is_given_up(company: Any) -> None:
    """An answer that never comes is given up after the time-out."""
    company.simulator.set_faults(["stall"])
    with pytest.raises(NetworkError, match="did not answer in time"):
        company.pages("vendors", timeout_seconds=1, max_retries=0)


SPOILT = ["big-string", "nul-byte", "year-0001", "not-a-number", "missing-field=Id", "wrong-type=Id"]


LISTS = ("vendors", "inventory_items", "purchase_orders")
SPOILT_IN = [(e, f) for e in LISTS for f in SPOILT if (e, f) != ("vendors", "not-a-number")]  # core has no such number


@pytest.mark.parametrize(("entity", "fault"), SPOILT_IN)
def test_a_spoilt_record_is_a_dead_letter(company: Any, entity: str, fault: str) -> None:
    """One spoilt record is rejected with a reason; all others are accepted."""
    there = company.ids(entity, page_size=1_000)
    company.simulator.set_faults([f"{fault}:query"])
    accepted = company.read(entity, page_size=1_000)
    assert len(accepted.rejections) == 1
    assert len(accepted.frame) == len(there) - 1


@pytest.fixture
def lately(company_of: Callable[[Simulator], Any]) -> Iterator[Any]:
    """A company whose first version is of two days ago, so that its changes are within reach of change data capture."""
    with Simulator(scenario="small", seed=7, start=NOW - timedelta(days=2)) as running:
        yield company_of(running)


def evolved(company: Any) -> Window:
    """Let a fifth of the company change, and give the window that has these changes."""
    company.simulator.evolve(20, at=NOW - timedelta(days=1))
    return Window(since=NOW - timedelta(days=1, minutes=5))


@pytest.mark.parametrize("entity", ["vendors", "inventory_items", "purchase_orders"])
def test_an_increment_is_one_request(lately: Any, entity: str) -> None:
    """What changed since yesterday comes with one request of change data capture, what was deleted included."""
    window = evolved(lately)
    accepted = lately.read(entity, window)
    table = lately.simulator.world.tables[{"vendors": "Vendor", "inventory_items": "Item"}.get(entity, "PurchaseOrder")]
    frame = accepted.frame
    assert set(frame["external_id"][~frame["deleted"]]) == set(table.changed)
    assert len(table.changed) > 5
    assert set(frame["external_id"][frame["deleted"]]) == set(table.gone)
    assert bool(table.gone) == (entity == "purchase_orders")
    assert accepted.skipped == {}
    assert [request.endpoint for request in lately.simulator.requests] == ["token", "cdc"]


def test_lines_of_changed_orders(lately: Any) -> None:
    """All lines of an order that changed come again, and none of others."""
    window = evolved(lately)
    changed = lately.simulator.world.tables["PurchaseOrder"].changed.values()
    expected = {f"{order['Id']}:{line['Id']}" for order in changed for line in order.get("Line", [])}
    assert set(lately.ids("purchase_order_lines", window)) == expected


def test_a_cut_off_answer_is_completed_by_the_query(lately: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where change data capture is cut off, the query language gives all that changed."""
    window = evolved(lately)
    lately.simulator.set_faults(["cdc-limit=5"])
    monkeypatch.setattr("connector_pipelines.connectors.quickbooks.asking.CDC_LIMIT", 5)
    assert set(lately.ids("inventory_items", window)) == set(lately.simulator.world.tables["Item"].changed)
    assert [request.endpoint for request in lately.simulator.requests] == ["token", "cdc", "count", "query"]


def test_the_limit_is_the_source_s_own(company_of: Callable[[Simulator], Any]) -> None:
    """With more than 1,000 changes the real limit cuts the answer off, and all changes come even so."""
    with Simulator(scenario="company", start=NOW - timedelta(days=2)) as running:
        running.evolve(60, at=NOW - timedelta(days=1))
        company = company_of(running)
        window = Window(since=NOW - timedelta(days=1, minutes=5))
        ids = company.ids("inventory_items", window, page_size=1_000)
        assert set(ids) == set(running.world.tables["Item"].changed)
        assert len(ids) > 1_000
        assert len(company.asked("query")) == 2


def test_an_old_increment_asks_both(company_of: Callable[[Simulator], Any]) -> None:
    """A window older than change data capture reaches is queried, and what was deleted lately is told even so."""
    with Simulator(start=NOW - timedelta(days=60)) as running:
        company = company_of(running)
        running.evolve(20, at=NOW - timedelta(days=45))
        running.remove("PurchaseOrder", "1", NOW - timedelta(days=3))
        table = running.world.tables["PurchaseOrder"]
        accepted = company.read("purchase_orders", Window(since=NOW - timedelta(days=46)))
        frame = accepted.frame
        assert set(frame["external_id"][~frame["deleted"]]) == set(table.changed)
        assert [*frame["external_id"][frame["deleted"]]] == ["1"]
        cdc = company.asked("cdc")[0].params["changedSince"]
        assert datetime.fromisoformat(cdc) > NOW - timedelta(days=30)


def test_past_days_are_queried(lately: Any) -> None:
    """A span that ended is asked for with both its ends, and gives what changed last within it."""
    evolved(lately)
    day = Window(NOW - timedelta(days=1, minutes=5), NOW - timedelta(hours=23))
    assert set(lately.ids("vendors", day)) == set(lately.simulator.world.tables["Vendor"].changed)
    assert lately.ids("vendors", Window(NOW - timedelta(hours=23), NOW - timedelta(hours=22))) == []
    assert lately.asked("cdc") == []


def test_a_record_of_the_very_moment_is_included(lately: Any) -> None:
    """A record that changed in the very second a window begins comes with it."""
    evolved(lately)
    exactly = Window(NOW - timedelta(days=1), NOW)
    assert len(lately.ids("vendors", exactly)) > 5


def test_more_requests_than_allowed(company: Any) -> None:
    """Ten pages in flight and a limit of two at a time end in a clear error or in all records, never in fewer."""
    company.simulator.set_faults(["concurrent=2", "delay=20"])
    try:
        read = company.ids("purchase_orders", page_size=20, in_flight=10)
    except RateLimited as error:
        assert "ThrottleExceeded" in str(error)  # noqa: PT017 -- either way is right
    else:
        assert read == truth(company.simulator, "purchase_orders")


def test_the_check_counts_every_table(company: Any) -> None:
    """The connection test asks once, and says how much there is to read."""
    with CONNECTOR.open(company.config()) as client:
        health = CONNECTOR.check(client)
    counted = "QuickBooks Online answers: 120 Item, 40 Vendor, 90 PurchaseOrder."
    active = sum(record["Active"] for record in company.simulator.expected("Item"))
    assert (health.ok, health.detail, active < 120) == (True, counted, True)
    assert [request.endpoint for request in company.simulator.requests] == ["token", "batch"]


def test_the_check_names_what_may_not_be_read(company: Any) -> None:
    """A connection that may not read one of the tables fails its test with the table's statement."""
    company.simulator.set_faults(["batch-fault=3"])
    with CONNECTOR.open(company.config()) as client, pytest.raises(RefusedBySource, match=r"PurchaseOrder.*intuit_tid"):
        CONNECTOR.check(client)


def test_another_company_is_not_read(company: Any) -> None:
    """A realm id that the token does not open is told as such."""
    company.simulator.service.realm_id = "1"
    with pytest.raises(AuthFailed, match="403"):
        company.pages("vendors")


def test_every_request_names_its_version(company: Any) -> None:
    """Every request asks for minor version 75 and for JSON."""
    company.pages("inventory_items")
    with CONNECTOR.open(company.config()) as client:
        CONNECTOR.check(client)
    asked = [request for request in company.simulator.requests if request.endpoint != "token"]
    assert {request.params["minorversion"] for request in asked} == {"75"}
