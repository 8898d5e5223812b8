"""Reads by offset that are to prove absence, against a warehouse whose rows come and go."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from connector_pipelines.connectors.json_api import CONNECTOR
from connector_pipelines.model import Window
from connector_pipelines.pages import Stability

OFFSET: dict[str, Any] = {"type": "offset", "size": 15, "fixed_order": True}
TOTAL = OFFSET | {"total": "meta.total"}
WAYS: dict[str, dict[str, Any]] = {
    "to an empty page": OFFSET,
    "to the total": TOTAL,
    "to the total in a header": OFFSET | {"total": {"header": "X-Total-Count"}},
    "while there is more": OFFSET | {"more": "meta.has_more"},
    "to a short page": OFFSET | {"short_page_ends": True},
    "from one on": OFFSET | {"first": 0, "param": "offset"},
}


def read(config: Any) -> tuple[list[str], Stability | None]:
    """Every id in the order it came, and what the read says of itself."""
    (stream,) = CONNECTOR.streams(config)
    with CONNECTOR.open(config) as client:
        reading = stream.read(client, Window())
        assert reading.fenced
        watched = reading.fenced()
        rows = [row for page in watched.pages for row in page.rows]
        return [str(stream.decode(row)[0]) for row in rows], watched.stability()


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("in_flight", [1, 4])
def test_a_source_that_holds_still_is_proven(
    warehouse: Any, suppliers: list[str], way: dict[str, Any], in_flight: int
) -> None:
    """However the end is known, a read of what held still is whole, and says that nothing moved."""
    ids, stability = read(warehouse.config(paging=way, in_flight=in_flight))
    assert (sorted(set(ids)), stability) == (suppliers, Stability.STABLE)
    assert len(ids) - len(suppliers) <= 3


@pytest.mark.parametrize(
    ("way", "faults", "found"),
    [
        (OFFSET, ["clamp=7"], Stability.STABLE),
        (TOTAL, ["clamp=7"], Stability.STABLE),
        (TOTAL, ["duplicate-ids"], Stability.REPAIRED),  # the last row of a page is another one then
        (TOTAL, ["clamp=7", "duplicate-ids"], Stability.REPAIRED),
        (OFFSET, ["duplicate-ids"], Stability.UNSTABLE),  # and the last page never has its one row alone
    ],
)
def test_clamps_and_repeats_hinder_no_proof(
    warehouse: Any, suppliers: list[str], way: dict[str, Any], faults: list[str], found: Stability
) -> None:
    """Pages that are shorter than asked for, or have a row twice, are proven as well."""
    warehouse.simulator.set_faults(faults)
    ids, stability = read(warehouse.config(paging=way))
    assert (sorted(set(ids)), stability) == (suppliers, found)


@pytest.mark.parametrize(
    ("way", "how", "found"),
    [
        (OFFSET, "remove", Stability.REPAIRED),
        (TOTAL, "remove", Stability.REPAIRED),
        (OFFSET, "insert", Stability.REPAIRED),
        (TOTAL, "insert", Stability.UNSTABLE),  # the source says that there is one that we have not seen
        (TOTAL, "edit", Stability.STABLE),
    ],
)
def test_rows_that_come_and_go(warehouse: Any, way: dict[str, Any], how: str, found: Stability) -> None:
    """Whatever happens to rows that were read, none that was there all the time is left out."""
    before = {r["supplierId"] for r in warehouse.simulator.records("suppliers")}
    warehouse.simulator.set_faults([f"shift={how}"])
    ids, stability = read(warehouse.config(paging=way, in_flight=1))
    after = {r["supplierId"] for r in warehouse.simulator.records("suppliers")}
    assert before & after <= set(ids)
    assert (before == after, stability) == (how == "edit", found)


def test_a_total_that_is_not_reached_is_no_proof(warehouse: Any) -> None:
    """A watched read that ends before the source's own total fails, as any other does."""
    from connector_pipelines.errors import NetworkError

    warehouse.simulator.set_faults(["total=5"])
    with pytest.raises(NetworkError, match="says that it has 45 rows and sent 40"):
        read(warehouse.config(paging=TOTAL))


def test_a_key_with_other_content_is_no_proof(warehouse: Any, suppliers: list[str]) -> None:
    """A record that comes on two pages, and changed in between, leaves open what else moved."""
    warehouse.simulator.set_faults(["shift=insert", "null-field@2"])
    ids, stability = read(warehouse.config(paging=OFFSET, in_flight=1))
    assert (set(suppliers) <= set(ids), stability) == (True, Stability.UNSTABLE)


@pytest.mark.parametrize("unfit", ["a plain offset", "expanded", "for each", "changes"])
def test_where_nothing_can_be_proven_nothing_is_watched(warehouse: Any, unfit: str) -> None:
    """Without a fixed order, of expanded records, of parents' children and of changes, no closer look is offered."""
    lines = {"records": "data", "mapping": {"purchase_order_id": "_parent.orderId", "quantity": "quantity"}}
    lines |= {"path": "orders", "expand": "lines", "id": ["_parent.orderId", "lineNo"]}
    active = {"params": {"active": "$state"}, "each": {"name": "state", "values": ["true", "false"]}}
    config = {
        "a plain offset": lambda: warehouse.config(paging=OFFSET | {"fixed_order": False}),
        "expanded": lambda: warehouse.config(entities={"purchase_order_lines": lines}, paging=OFFSET),
        "for each": lambda: warehouse.config(active, paging=OFFSET),
        "changes": lambda: warehouse.config({"incremental": {"since": "updated_since"}}, paging=OFFSET),
    }[unfit]()
    window = Window(since=datetime(2026, 1, 1, tzinfo=UTC)) if unfit == "changes" else Window()
    with CONNECTOR.open(config) as client:
        assert CONNECTOR.streams(config)[0].read(client, window).fenced is None


@pytest.mark.parametrize("unfit", [{"step": "size"}, {"size": 1}])
def test_pages_that_cannot_overlap_are_refused(warehouse: Any, unfit: dict[str, Any]) -> None:
    """A fixed order is no use where offsets do not follow from what came, or where pages have one row."""
    with pytest.raises(ValueError, match="fixed_order needs step: received and pages of more than one row"):
        warehouse.config(paging=OFFSET | unfit)
