"""Reports that are asked for first and read when they are ready, against the warehouse that makes them."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any

import pytest

from connector_pipelines.connectors.csv_api import CONNECTOR as CSV
from connector_pipelines.connectors.json_api import CONNECTOR
from connector_pipelines.errors import BrokenPage, ConfigurationError, NetworkError, SyncError
from connector_pipelines.model import Window

JOB: dict[str, Any] = {
    "path": "reports",
    "body": {"collection": "suppliers"},
    "id": "job.id",
    "poll": "reports/$job",
    "state": "job.state",
    "every_seconds": 10,
    "delete": "reports/$job",
}
BY_LOCATION = {"path": "reports", "body": {"collection": "suppliers"}, "poll": {"header": "Location"}}
ROWS = "reports/$job/result"
OFFSET = {"type": "offset", "size": 15}


def methods(warehouse: Any) -> list[str]:
    """What was asked, in words: `POST /api/reports`."""
    return [f"{method} {target.partition('?')[0]}" for method, target in warehouse.simulator.calls]


@pytest.mark.parametrize("paging", [{"type": "none"}, OFFSET, {"type": "cursor", "next": "meta.next_cursor"}])
def test_a_report_is_asked_for_awaited_read_and_deleted(
    warehouse: Any, suppliers: list[str], paging: dict[str, Any]
) -> None:
    """The result is read page by page like any other collection; before it comes the job, behind it its deletion."""
    config = warehouse.config({"path": ROWS, "job": JOB}, paging=paging)
    assert warehouse.keys(config) == suppliers
    asked = methods(warehouse)
    assert asked[:4] == [
        "POST /api/reports",
        "GET /api/reports/R1",
        "GET /api/reports/R1",
        "GET /api/reports/R1/result",
    ]
    assert asked[-1] == "DELETE /api/reports/R1"
    assert warehouse.simulator.service.reports.held == {}


@pytest.mark.parametrize(
    "job",
    [BY_LOCATION, {**BY_LOCATION, "state": "job.state"}, JOB, JOB | {"ready": ["Done"], "failed": []}],
    ids=["status alone", "address in a header", "id", "own words"],
)
def test_the_source_may_say_where_the_result_is(warehouse: Any, suppliers: list[str], job: dict[str, Any]) -> None:
    """Addresses of state and result may be the source's own."""
    config = warehouse.config({"path": "", "job": {**job, "result": "job.result"}}, paging=OFFSET)
    assert warehouse.keys(config) == suppliers


@pytest.mark.parametrize("ending", [".csv", ".csv.gz", ".csv.zip"])
def test_a_report_may_be_a_table(warehouse: Any, suppliers: list[str], ending: str) -> None:
    """The result may be written in another way than the job's answers."""
    vendors = {"path": f"{ROWS}{ending}", "id": "supplierId", "mapping": {"name": "supplierName"}, "job": JOB}
    config = CSV.config.model_validate(
        {
            "base_url": warehouse.simulator.api_url,
            "auth": {"type": "bearer", "token": "env:WAREHOUSE_SECRET"},
            "member": "*.csv",
            "entities": {"vendors": vendors},
        }
    )
    with CSV.open(config) as client:
        (stream,) = CSV.streams(config)
        pages = list(stream.read(client, Window()).pages)
    assert [stream.decode(row)[0] for page in pages for row in page.rows] == suppliers
    assert [list(stream.split(page.body)) for page in pages] == [list(page.rows) for page in pages]  # as a replay does


def test_an_increment_is_asked_of_the_job(warehouse: Any) -> None:
    """The span goes to what makes the report, not to its result."""
    warehouse.simulator.evolve(20)
    changed = [r["supplierId"] for r in warehouse.simulator.records("suppliers") if r["updatedAt"] > "2026-03-03"]
    incremental = {"since": "updated_since", "into": "body"}
    config = warehouse.config({"path": ROWS, "job": JOB, "incremental": incremental})
    assert warehouse.keys(config, window=Window(since=datetime(2026, 3, 2, 18, tzinfo=UTC))) == changed != []
    assert not any("updated_since" in target for target in warehouse.targets())
    assert len(warehouse.keys(config)) == len(warehouse.simulator.records("suppliers"))


@pytest.mark.parametrize("in_flight", [1, 4])
def test_a_report_for_each_parent(warehouse: Any, in_flight: int) -> None:
    """Each parent may have its report; no more are made at once than may be under way, and all are deleted."""
    orders = {"path": "orders", "records": "data", "id": "orderId", "mapping": {"vendor_id": "supplierId"}}
    lines = {
        "path": ROWS,
        "records": "data",
        "job": JOB | {"body": {"collection": "lines"}, "params": {"orders": "$id"}},
        "each": {"entity": "purchase_orders", "field": "orderId", "batch": 10},
        "id": ["orderId", "lineNo"],
        "mapping": {"purchase_order_id": "orderId", "quantity": "quantity"},
    }
    entities = {"purchase_orders": orders, "purchase_order_lines": lines}
    config = warehouse.config(entities=entities, in_flight=in_flight)
    held = warehouse.simulator.records("orders")
    expected = {f"{order['orderId']}/{line['lineNo']}" for order in held for line in order["lines"]}
    assert set(warehouse.keys(config, "purchase_order_lines")) == expected
    reports = warehouse.simulator.service.reports
    assert (reports.held, reports.most <= in_flight) == ({}, True)
    assert sum(asked == "POST /api/reports" for asked in methods(warehouse)) == 6


@pytest.mark.parametrize(
    ("fault", "kind", "sentence"),
    [
        ("job-failed", NetworkError, "a job of /reports ended as 'FAILED' .The report has too many rows"),
        ("job-stuck", NetworkError, "not ready after 60 s; its state is 'RUNNING'"),
        ("job-nameless", BrokenPage, "does not say what it is called: `job.id` finds nothing"),
        ("500@3:reports", None, ""),
        ("job-slow=5", None, ""),
        ("404@2:reports", SyncError, "answered 404"),
        ("html-200@2:reports", BrokenPage, "does not say how far it is"),
        ("truncated@4:reports", BrokenPage, "breaks off"),
    ],
)
def test_what_becomes_of_a_job_that_goes_wrong(
    warehouse: Any, suppliers: list[str], fault: str, kind: type[SyncError] | None, sentence: str
) -> None:
    """A job that fails, never ends or says too little is an error in time, never an empty result; it is deleted."""
    warehouse.simulator.set_faults([fault])
    config = warehouse.config({"path": ROWS, "job": JOB | {"deadline_seconds": 60}})
    if kind is None:
        assert warehouse.keys(config) == suppliers
    else:
        with pytest.raises(kind, match=sentence):
            warehouse.keys(config)
    reports = warehouse.simulator.service.reports
    assert bool(reports.held) == (fault == "job-nameless")


def test_a_result_on_another_host_gets_no_credentials(warehouse: Any) -> None:
    """A result that is said to be on another host is an error; nothing is sent there, and the job is deleted."""
    warehouse.simulator.set_faults(["link-other-host"])
    config = warehouse.config({"path": "", "job": JOB | {"result": "job.result"}})
    with pytest.raises(ConfigurationError, match=r"inner.warehouse.invalid.*where our credentials may not go"):
        warehouse.keys(config)
    assert warehouse.simulator.service.reports.held == {}


def test_waits_are_as_long_as_meant(warehouse: Any) -> None:
    """A look is as far from the last one as declared, or as the source asks; so many fit into the deadline."""
    warehouse.simulator.set_faults(["job-stuck"])
    for every, looks in ((10, 7), (1, 31)):  # the simulator's answers say Retry-After: 2
        warehouse.simulator.calls.clear()
        config = warehouse.config({"path": ROWS, "job": JOB | {"deadline_seconds": 60, "every_seconds": every}})
        with pytest.raises(NetworkError, match="not ready"):
            warehouse.keys(config)
        assert sum("GET" in asked for asked in methods(warehouse)) == looks


def test_a_job_that_cannot_be_deleted_is_no_failure(
    warehouse: Any, suppliers: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    """What was read counts; the log says that a report was left behind."""
    warehouse.simulator.set_faults(["404@5:reports"])
    with caplog.at_level(logging.WARNING):
        assert warehouse.keys(warehouse.config({"path": ROWS, "job": JOB})) == suppliers
    assert "a job could not be deleted: DELETE" in caplog.text


def test_a_look_at_the_beginning_leaves_no_report_behind(warehouse: Any) -> None:
    """Whoever takes one page and goes leaves nothing at the source; so does the connection test."""
    config = warehouse.config({"path": ROWS, "job": JOB}, paging=OFFSET)
    with CONNECTOR.open(config) as client:
        pages = CONNECTOR.streams(config)[0].read(client, Window()).pages
        assert next(pages).rows
        pages.close()  # type: ignore[attr-defined]
        assert CONNECTOR.check(client).ok
    assert warehouse.simulator.service.reports.held == {}


def test_the_connection_test_makes_no_report_where_it_need_not(warehouse: Any) -> None:
    """Where another entity can be read without one, that proves the connection."""
    plain = {
        "path": "products",
        "records": "data",
        "id": "productCode",
        "mapping": {"name": "name", "sku": "productCode"},
    }
    vendors = {"path": ROWS, "id": "supplierId", "mapping": {"name": "supplierName"}, "job": JOB}
    config = warehouse.config(entities={"vendors": vendors, "inventory_items": plain})
    with CONNECTOR.open(config) as client:
        assert CONNECTOR.check(client).ok
    assert not any("reports" in target for target in warehouse.targets())


@pytest.mark.parametrize(
    ("vendors", "sentence"),
    [
        ({"job": JOB}, "path is needed"),
        ({"path": ROWS, "job": {**JOB, "result": "job.result"}}, "path is needed, or a job whose `result`"),
        ({"path": ROWS, "job": {**JOB, "id": None}}, "`id` says where that is"),
        ({"path": ROWS, "job": {**JOB, "path": "reports/$job"}}, "before it has a name"),
        ({"path": ROWS, "job": {**JOB, "poll": "https://elsewhere.example/$job"}}, "without a host"),
        ({"path": ROWS, "job": {**JOB, "delete": "//elsewhere.example/$job"}}, "without a host"),
        ({"path": ROWS, "job": {**JOB, "state": "job["}}, "no JMESPath expression"),
        ({"path": ROWS, "job": {**JOB, "method": "GET"}}, "needs method POST"),
        ({"path": "reports/$jib", "job": JOB}, "nothing is called \\$jib"),
        ({"path": ROWS, "job": JOB, "each": {"name": "job", "values": ["a"]}}, "\\$job is the job's own name"),
    ],
)
def test_a_job_that_cannot_work_is_refused(warehouse: Any, vendors: dict[str, Any], sentence: str) -> None:
    """A mistake in the declaration is told before anything is asked."""
    with pytest.raises(ValueError, match=sentence):
        warehouse.config({"path": ""} | vendors)
