"""Every way of paging reads the whole collection once, and no trap makes it read less without saying so."""

from __future__ import annotations

from typing import Any

import pytest

from connector_pipelines.connectors.json_api import CONNECTOR
from connector_pipelines.errors import BrokenPage, ConfigurationError, NetworkError, RefusedBySource
from connector_pipelines.model import Window

SIZE = {"size": 15, "size_param": "limit"}
WAYS: dict[str, dict[str, Any]] = {
    "none": {"type": "none"},
    "page": {"type": "page", "size": 15, "size_param": "per_page"},
    "page with number of pages": {"type": "page", "size": 15, "size_param": "per_page", "pages": "meta.pages"},
    "offset": {"type": "offset", "size": 15},
    "offset with total": {"type": "offset", "size": 15, "total": "meta.total"},
    "offset with total in a header": {"type": "offset", "size": 15, "total": {"header": "x-total-count"}},
    "offset by size": {"type": "offset", "size": 15, "step": "size"},
    "offset, more": {"type": "offset", "size": 15, "more": "meta.has_more"},
    "offset, short page ends": {"type": "offset", "size": 15, "short_page_ends": True},
    "cursor": {"type": "cursor", "next": "meta.next_cursor", **SIZE},
    "cursor in a header": {"type": "cursor", "next": {"header": "X-Next-Cursor"}, **SIZE},
    "cursor, more": {"type": "cursor", "next": "meta.next_cursor", "more": "meta.has_more", **SIZE},
    "last record": {"type": "last_record", "param": "after", "key": "supplierId", **SIZE},
    "link in the body": {"type": "link", "next": "links.next", **SIZE},
    "Link header": {"type": "link", **SIZE},
}
PARTIAL = {name: way for name, way in WAYS.items() if name not in {"none", "offset by size", "offset, short page ends"}}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_every_way_reads_everything_once(warehouse: Any, suppliers: list[str], way: dict[str, Any]) -> None:
    """Each way of paging gives each record once, in order."""
    assert warehouse.keys(warehouse.config(paging=way)) == suppliers


@pytest.mark.parametrize("way", PARTIAL.values(), ids=PARTIAL)
def test_clamped_pages_lose_nothing(warehouse: Any, suppliers: list[str], way: dict[str, Any]) -> None:
    """A source that silently sends fewer rows a page than asked for is read to its end."""
    warehouse.simulator.set_faults(["clamp=7"])
    assert warehouse.keys(warehouse.config(paging=way)) == suppliers


@pytest.mark.parametrize("way", ["page", "offset", "cursor"])
def test_parameters_may_go_into_the_body(warehouse: Any, suppliers: list[str], way: str) -> None:
    """With POST, page parameters go into the JSON body, below a name where that has dots."""
    paging = WAYS[way] | {"into": "body", "param": f"variables.{way}"}
    config = warehouse.config({"method": "POST", "body": {"query": "suppliers"}}, paging=paging)
    assert warehouse.keys(config) == suppliers
    assert {method for method, _ in warehouse.simulator.calls} == {"POST"}
    assert set(warehouse.targets()) == {"/api/suppliers"}


def test_an_entity_may_page_in_its_own_way(warehouse: Any, suppliers: list[str]) -> None:
    """An entity's own paging goes before its source's."""
    assert warehouse.keys(warehouse.config({"paging": WAYS["cursor"]}, paging=WAYS["none"])) == suppliers


@pytest.mark.parametrize("way", ["offset with total", "cursor"])
def test_a_total_that_is_not_reached_fails(warehouse: Any, way: str) -> None:
    """A read that ends before the source's own total is an error, not a smaller collection."""
    warehouse.simulator.set_faults(["total=5"])
    with pytest.raises(NetworkError, match="says that it has 45 rows and sent 40"):
        warehouse.keys(warehouse.config(paging=WAYS[way] | {"total": "meta.total"}))


@pytest.mark.parametrize("total", [{}, {"total": "meta.total"}])
@pytest.mark.parametrize("way", [way for way in WAYS if way not in {"none", "offset, short page ends"}])
def test_rows_that_come_twice_push_no_other_out(
    warehouse: Any, suppliers: list[str], way: str, total: dict[str, str]
) -> None:
    """A row that comes twice on each page moves no offset further than the source does, and ends no read early."""
    warehouse.simulator.set_faults(["duplicate-ids"])
    paging = WAYS[way] | total | {"size": 13}
    assert sorted(set(warehouse.keys(warehouse.config(paging=paging)))) == suppliers


@pytest.mark.parametrize("way", ["page", "cursor"])
def test_rows_that_come_twice_do_not_end_a_read_early(warehouse: Any, suppliers: list[str], way: str) -> None:
    """Where more rows come than the total, because some repeat, reading goes on to the last page."""
    warehouse.simulator.set_faults(["duplicate-ids"])
    paging = WAYS[way] | {"total": "meta.total", "size": 13}
    assert sorted(set(warehouse.keys(warehouse.config(paging=paging)))) == suppliers


HALVED = {name: way for name, way in PARTIAL.items() if name.startswith(("offset", "cursor", "last"))}
TOO_LARGE = {"status": [413], "then": "smaller"}


@pytest.mark.parametrize("way", HALVED.values(), ids=HALVED)
def test_a_page_that_is_too_large_is_asked_for_in_smaller_ones(
    warehouse: Any, suppliers: list[str], way: dict[str, Any]
) -> None:
    """Where the source wants fewer rows at once, the page is asked for with half as many, and nothing is left out."""
    warehouse.simulator.set_faults(["page-limit=4"])
    assert warehouse.keys(warehouse.config(paging=way, answers=[TOO_LARGE])) == suppliers


@pytest.mark.parametrize(
    ("way", "fault"), [("page", "page-limit"), ("Link header", "page-limit"), ("offset by size", "page-limit")]
)
def test_a_page_that_cannot_be_smaller_is_an_error(warehouse: Any, way: str, fault: str) -> None:
    """Where the next page would not follow from what came, a smaller one would lose rows: the read fails."""
    warehouse.simulator.set_faults([fault])
    with pytest.raises(RefusedBySource, match=r"answered 413 .*the page is too large.*halved down to one row"):
        warehouse.keys(warehouse.config(paging=WAYS[way], answers=[TOO_LARGE]))


def test_no_page_is_too_small_to_be_refused(warehouse: Any) -> None:
    """A source that refuses one row, too, is not asked for ever."""
    warehouse.simulator.set_faults(["404"])
    rule = {"status": [404], "then": "smaller"}
    with pytest.raises(RefusedBySource, match="the page is too large"):
        warehouse.keys(warehouse.config(paging=WAYS["offset"], answers=[rule]))
    assert [target.partition("limit=")[2].partition("&")[0] for target in warehouse.targets()] == ["15", "7", "3", "1"]


def test_short_pages_and_smaller_ones_do_not_go_together(warehouse: Any) -> None:
    """A page that was made smaller would be taken for the last one."""
    with pytest.raises(ValueError, match="short_page_ends takes a page that the source wants smaller for the last"):
        warehouse.config(paging=WAYS["offset, short page ends"], answers=[TOO_LARGE])


def test_a_row_removed_while_reading_is_noticed(warehouse: Any) -> None:
    """A total that shrinks means that a row slipped over the edge of a page unread: the read fails."""
    warehouse.simulator.set_faults(["shift"])
    with pytest.raises(NetworkError, match="had 40 rows and then 39"):
        warehouse.keys(warehouse.config(paging=WAYS["offset with total"], in_flight=1))


@pytest.mark.parametrize("way", ["cursor", "link in the body", "Link header"])
def test_pages_that_lead_back_are_refused(warehouse: Any, way: str) -> None:
    """A token or link that leads to a page already read ends the read with an error."""
    warehouse.simulator.set_faults(["cursor-loop"])
    with pytest.raises(BrokenPage, match=r"leads back|repeats"):
        warehouse.keys(warehouse.config(paging=WAYS[way]))


def test_a_repeated_page_is_refused(warehouse: Any) -> None:
    """A source that sends the first page for every page is found out."""
    warehouse.simulator.set_faults(["repeat-page"])
    with pytest.raises(BrokenPage, match="repeats a page"):
        warehouse.keys(warehouse.config(paging=WAYS["offset"]))


@pytest.mark.parametrize(
    ("way", "fault", "sentence"),
    [
        ("offset with total", "no-total", "states no total at 'meta.total'"),
        ("offset with total in a header", "no-total", "states no total at the header 'x-total-count'"),
        ("page with number of pages", "no-total", "states no number of pages at 'meta.pages'"),
        ("offset, more", "no-next", "does not say at 'meta.has_more' if there is more"),
    ],
)
def test_an_answer_without_what_was_declared_is_refused(warehouse: Any, way: str, fault: str, sentence: str) -> None:
    """Where the source does not say what paging rests on, the read fails and names the place."""
    warehouse.simulator.set_faults([fault])
    with pytest.raises(BrokenPage, match=sentence):
        warehouse.keys(warehouse.config(paging=WAYS[way]))


def test_more_pages_than_allowed_fail(warehouse: Any) -> None:
    """A read is never cut: one page more than allowed is an error."""
    paging = WAYS["offset"] | {"max_pages": 2}
    with pytest.raises(BrokenPage, match="more than 2 pages"):
        warehouse.keys(warehouse.config(paging=paging))


@pytest.mark.parametrize("way", ["link in the body", "Link header"])
def test_a_link_to_another_host_gets_no_credentials(warehouse: Any, suppliers: list[str], way: str) -> None:
    """A link to another host is an error, or, where declared, followed on our own host."""
    warehouse.simulator.set_faults(["link-other-host"])
    with pytest.raises(ConfigurationError, match=r"inner.warehouse.invalid.*where our credentials may not go"):
        warehouse.keys(warehouse.config(paging=WAYS[way]))
    assert warehouse.keys(warehouse.config(paging=WAYS[way] | {"other_host": True})) == suppliers


@pytest.mark.parametrize("way", ["cursor in a header", "Link header", "offset with total in a header"])
def test_header_names_come_in_any_case(warehouse: Any, suppliers: list[str], way: str) -> None:
    """Headers are found in lower case, too."""
    warehouse.simulator.set_faults(["lower-case-headers"])
    assert warehouse.keys(warehouse.config(paging=WAYS[way])) == suppliers


@pytest.mark.parametrize(("way", "still"), [("none", "stable"), ("last record", "stable"), ("offset with total", None)])
def test_what_cannot_shift_proves_absence(warehouse: Any, way: str, still: str | None) -> None:
    """One answer, or pages by the last key, cannot lose a record that is there; other pages prove no absence."""
    config = warehouse.config(paging=WAYS[way])
    with CONNECTOR.open(config) as client:
        reading = CONNECTOR.streams(config)[0].read(client, Window())
        assert list(reading.pages)
    assert reading.snapshot
    assert reading.stability() == still


def test_nothing_is_asked_beyond_a_known_total(warehouse: Any) -> None:
    """Where the total is known, exactly the pages there are get asked for."""
    warehouse.keys(warehouse.config(paging=WAYS["offset with total"]))
    assert len(warehouse.targets()) == 3


COUNTING = {name: way for name, way in WAYS.items() if name.startswith(("page", "offset", "last record"))}


@pytest.mark.parametrize("way", COUNTING.values(), ids=COUNTING)
def test_what_is_expanded_is_counted_as_the_source_does(warehouse: Any, way: dict[str, Any]) -> None:
    """Where a page's records are expanded into more, or into none, pages are counted by what the source sent."""
    lines = {
        "path": "orders",
        "records": "data",
        "expand": "lines",
        "id": ["_parent.orderId", "lineNo"],
        "mapping": {"purchase_order_id": "_parent.orderId", "quantity": "quantity"},
    }
    paging = way | ({"key": "orderId"} if way["type"] == "last_record" else {}) | {"size": 4}
    orders = {"path": "orders", "records": "data", "id": "orderId", "mapping": {"memo": "state"}}
    config = warehouse.config(entities={"purchase_orders": orders, "purchase_order_lines": lines}, paging=paging)
    expected = [
        f"{o['orderId']}/{line['lineNo']}" for o in warehouse.simulator.records("orders") for line in o["lines"]
    ]
    assert warehouse.keys(config, "purchase_order_lines") == expected


@pytest.mark.parametrize("way", ["page", "offset", "last record", "cursor, total"])
def test_records_that_cannot_be_counted_are_refused(warehouse: Any, way: str) -> None:
    """An expression that may change the number of records is refused where paging counts them; keep does the same."""
    paging = WAYS.get(way) or WAYS["cursor"] | {"total": "meta.total"}
    with pytest.raises(ValueError, match="this paging counts the records of a page"):
        warehouse.config({"records": "data[?active]"}, paging=paging)
    assert warehouse.config({"keep": "active"}, paging=paging)
    assert warehouse.keys(warehouse.config({"records": "data[?active]"}, paging=WAYS["cursor"]))
