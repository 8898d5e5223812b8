"""Requests for spans of time and for each parent: what is sent, and what comes of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from connector_pipelines.declarative.asking import halves, moment, spans
from connector_pipelines.declarative.paging import Incremental
from connector_pipelines.declarative.simulator.world import START
from connector_pipelines.errors import RefusedBySource
from connector_pipelines.model import Window

NEXT_DAY = Window(since=START + timedelta(hours=12))
NOW = datetime(2026, 11, 1, tzinfo=UTC)
WHENS = st.datetimes(datetime(2020, 1, 1), datetime(2026, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 -- bounds
OFFSET = {"type": "offset", "size": 15, "total": "meta.total"}


@pytest.fixture
def changed(warehouse: Any) -> list[str]:
    """The ids of the suppliers that changed a day later."""
    warehouse.simulator.evolve(20)
    return [r["supplierId"] for r in warehouse.simulator.records("suppliers") if r["updatedAt"] > "2026-03-03"]


FILTER = {"filter": "filter", "expression": "updatedAt>='$since'"}
WAYS: dict[str, dict[str, Any]] = {
    "a parameter": {"since": "updated_since"},
    "seconds since 1970": {"since": "updated_since", "format": "epoch"},
    "milliseconds since 1970": {"since": "updated_since", "format": "epoch_ms"},
    "a day": {"since": "updated_since", "format": "%Y-%m-%d"},
    "an expression": FILTER,
    "an expression in base64": FILTER | {"base64": True},
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_an_increment_asks_for_what_changed(warehouse: Any, changed: list[str], way: dict[str, Any]) -> None:
    """Each way of asking for a span gets the records that changed in it; a full read sends none of it."""
    since = NEXT_DAY if way.get("format") != "%Y-%m-%d" else Window(since=datetime(2026, 3, 3, tzinfo=UTC))
    config = warehouse.config({"incremental": way}, paging=OFFSET)
    assert warehouse.keys(config, window=since) == changed != []
    warehouse.simulator.calls.clear()
    assert len(warehouse.keys(config)) == len(warehouse.simulator.records("suppliers"))
    assert not any("updated" in target or "filter" in target for target in warehouse.targets())


def test_an_increment_may_end(warehouse: Any, changed: list[str]) -> None:
    """A span's end is sent where a parameter for it is declared."""
    incremental = {"since": "updated_since", "until": "updated_before"}
    config = warehouse.config({"incremental": incremental}, paging=OFFSET)
    before = Window(since=START - timedelta(days=1), until=START + timedelta(hours=12))
    assert changed
    assert set(warehouse.keys(config, window=before)).isdisjoint(changed)


def test_a_body_may_carry_the_span(warehouse: Any, changed: list[str]) -> None:
    """With POST the span goes into the JSON body where that is declared."""
    incremental = {"since": "updated_since", "into": "body"}
    assert warehouse.keys(warehouse.config({"method": "POST", "incremental": incremental}), window=NEXT_DAY) == changed


def test_a_long_span_is_read_in_steps(warehouse: Any, changed: list[str]) -> None:
    """A span longer than a request may cover is asked for step by step, each record once."""
    incremental = {"since": "updated_since", "until": "updated_before", "step_days": 1}
    config = warehouse.config({"incremental": incremental})
    window = Window(since=START - timedelta(days=2, hours=1), until=START + timedelta(days=2))
    keys = warehouse.keys(config, window=window)
    assert sorted(keys) == sorted(r["supplierId"] for r in warehouse.simulator.records("suppliers"))
    assert changed
    assert len(warehouse.targets()) == 5


TOO_LARGE = {"status": [400], "contains": "span is too large", "then": "split"}


@pytest.mark.parametrize("paging", [{"type": "none"}, OFFSET])
def test_a_span_that_is_too_large_is_halved(warehouse: Any, changed: list[str], paging: dict[str, Any]) -> None:
    """A span the source does not take is asked for in halves, and these in theirs, until each is taken."""
    warehouse.simulator.set_faults(["span-limit=10"])
    incremental = {"since": "updated_since", "until": "updated_before"}
    config = warehouse.config({"incremental": incremental}, answers=[TOO_LARGE], paging=paging)
    window = Window(since=START - timedelta(hours=20), until=START + timedelta(days=2))
    keys = warehouse.keys(config, window=window)
    assert sorted(set(keys)) == sorted(r["supplierId"] for r in warehouse.simulator.records("suppliers"))
    assert changed
    assert [page.number for page in warehouse.pages(config, window=window)][:3] == [1, 2, 3]


def test_a_span_that_cannot_be_halved_says_so(warehouse: Any) -> None:
    """Where no end can be sent, where even a second is too much, and for a full read, the read fails in time."""
    always = {"status": [200], "then": "split"}
    both = {"since": "updated_since", "until": "updated_before"}
    for incremental, window in (({"since": "updated_since"}, NEXT_DAY), (both, NEXT_DAY), (both, Window())):
        config = warehouse.config({"incremental": incremental}, answers=[always])
        with pytest.raises(RefusedBySource, match="the span is too large"):
            warehouse.keys(config, window=window)
    assert len(warehouse.targets()) < 40


@examples(deadline=None, max_examples=40)
@given(since=WHENS, seconds=st.integers(0, 5_000_000), ends=st.booleans())
def test_halves_are_the_whole(since: datetime, seconds: int, *, ends: bool) -> None:
    """Both halves together are the span, each is shorter, and a span of a second has none."""
    until = since + timedelta(seconds=seconds)
    found = halves(Incremental(since="since", until="until"), Window(since, until if ends else None), until)
    assert bool(found) == (seconds > 1)
    if found:
        first, second = found
        assert (first.since, second.until) == (since, until if ends else None)
        assert first.until == second.since
        assert second.since
        assert since < second.since < until


def test_newest_first_ends_at_the_first_old_page(warehouse: Any, changed: list[str]) -> None:
    """Of a source that sends the newest first, reading ends at the first page that reaches back far enough."""
    vendors = {"incremental": {"newest_first": True}, "modified": "updatedAt", "params": {"sort": "-updatedAt"}}
    config = warehouse.config(vendors, paging={"type": "offset", "size": 5, "total": "meta.total"}, in_flight=1)
    keys = warehouse.keys(config, window=NEXT_DAY)
    assert set(changed) <= set(keys)
    assert len(keys) == len(warehouse.targets()) * 5 < 40


def test_what_the_source_forgot_is_read_whole() -> None:
    """A span that reaches back further than the source remembers becomes a read of everything."""
    incremental = Incremental(since="since", retention_days=30)
    old, young = Window(since=NOW - timedelta(days=31)), Window(since=NOW - timedelta(days=29))
    assert list(spans(incremental, old, NOW)) == [Window()]
    assert list(spans(incremental, young, NOW)) == [young]


def test_looking_back_widens_the_span() -> None:
    """The lookback is taken off the beginning alone."""
    window = Window(since=NOW - timedelta(days=2), until=NOW)
    [span] = spans(Incremental(since="since", lookback_seconds=3600), window, NOW)
    assert span == Window(since=NOW - timedelta(days=2, hours=1), until=NOW)


@examples(deadline=None, max_examples=40)
@given(since=WHENS, days=st.integers(0, 60), step=st.integers(1, 20))
def test_steps_cover_the_span_without_gap_or_overlap(since: datetime, days: int, step: int) -> None:
    """Whatever the span and the step: one begins where the other ends, and together they are the span."""
    window = Window(since=since, until=since + timedelta(days=days))
    found = list(spans(Incremental(since="since", until="until", step_days=step), window, NOW))
    assert found[0].since == window.since
    assert found[-1].until == window.until
    assert [one.until for one in found[:-1]] == [one.since for one in found[1:]]


@examples(deadline=None, max_examples=40)
@given(when=WHENS)
def test_a_time_never_moves_forward(when: datetime) -> None:
    """However a time is written, it is not later than what was meant, so that no change falls out of the span."""
    assert datetime.fromisoformat(moment(when, "iso")) <= when
    assert int(moment(when, "epoch")) <= when.timestamp()
    assert int(moment(when, "epoch_ms")) / 1000 <= when.timestamp() + 1e-6


VENDORS = {"path": "suppliers", "records": "data", "id": "supplierId", "mapping": {"name": "supplierName"}}
ORDERS = {"path": "orders", "records": "data", "id": "orderId", "mapping": {"vendor_id": "supplierId"}}
LINES = {
    "path": "orders/$id/lines",
    "records": "data",
    "id": ["_parent.id", "lineNo"],
    "each": {"entity": "purchase_orders", "field": "orderId"},
    "mapping": {"purchase_order_id": "_parent.id", "inventory_item_id": "productCode", "quantity": "quantity"},
}


def lines(simulator: Any) -> set[str]:
    """The ids that lines should have."""
    return {f"{o['orderId']}/{line['lineNo']}" for o in simulator.records("orders") for line in o["lines"]}


@pytest.mark.parametrize("in_flight", [1, 4])
def test_children_are_asked_for_of_each_parent(warehouse: Any, in_flight: int) -> None:
    """Each parent's children are read and carry its id; orders without lines are no trouble."""
    entities = {"purchase_orders": ORDERS, "purchase_order_lines": LINES}
    config = warehouse.config(entities=entities, in_flight=in_flight)
    keys = warehouse.keys(config, "purchase_order_lines")
    assert len(keys) == len(set(keys))
    assert set(keys) == lines(warehouse.simulator)


def test_a_replay_of_a_child_page_knows_its_parent(warehouse: Any) -> None:
    """A landed page of children splits into the same records again, with their parent."""
    config = warehouse.config(entities={"purchase_orders": ORDERS, "purchase_order_lines": LINES})
    pages = warehouse.pages(config, "purchase_order_lines")
    with_lines = next(page for page in pages if page.rows)
    from connector_pipelines.connectors.json_api import CONNECTOR

    stream = next(s for s in CONNECTOR.streams(config) if s.entity == "purchase_order_lines")
    assert list(stream.split(with_lines.body)) == list(with_lines.rows)
    assert b'"_parent":{"id":"PO-' in with_lines.rows[0]


def test_children_of_children(warehouse: Any) -> None:
    """Parents may be children themselves; a path may name what they carry from above, and no parent is asked twice."""
    orders = ORDERS | {"params": {"supplier": "$id"}, "each": {"entity": "vendors", "field": "supplierId"}}
    each = {"entity": "purchase_orders", "field": "orderId", "carry": {"vendor": "_parent.id"}}
    fed = LINES["mapping"] | {"description": "_parent.vendor"}  # type: ignore[operator]
    own = LINES | {"each": each, "params": {"of": "$vendor"}, "mapping": fed}
    config = warehouse.config(entities={"vendors": VENDORS, "purchase_orders": orders, "purchase_order_lines": own})
    found = warehouse.accepted(config, "purchase_order_lines").frame
    assert set(found["external_id"]) == lines(warehouse.simulator)
    orders_held = warehouse.simulator.records("orders")
    of = {(order["orderId"], order["supplierId"]) for order in orders_held if order["lines"]}
    assert {*zip(found["purchase_order"], found["description"], strict=True)} == of
    assert sum("/lines" in target for target in warehouse.targets()) == len(orders_held)


def test_children_carry_more_of_their_parent(warehouse: Any) -> None:
    """What `carry` names is on every child."""
    each = {"entity": "purchase_orders", "field": "orderId", "carry": {"day": "orderedOn"}}
    own = LINES | {"each": each, "mapping": LINES["mapping"] | {"description": "_parent.day"}}  # type: ignore[operator]
    config = warehouse.config(entities={"purchase_orders": ORDERS, "purchase_order_lines": own})
    found = warehouse.accepted(config, "purchase_order_lines").frame
    assert found["description"].str.match(r"2026-\d\d-\d\d$").all()


def test_children_may_be_asked_for_in_batches(warehouse: Any) -> None:
    """Several parents share a request where the source takes a list of ids."""
    each = {"entity": "purchase_orders", "field": "orderId", "batch": 25}
    own = LINES | {"path": "lines", "params": {"orders": "$id"}, "id": ["orderId", "lineNo"], "each": each}
    own["mapping"] = {"purchase_order_id": "orderId", "quantity": "quantity"}
    config = warehouse.config(entities={"purchase_orders": ORDERS, "purchase_order_lines": own})
    assert set(warehouse.keys(config, "purchase_order_lines")) == lines(warehouse.simulator)
    assert len([target for target in warehouse.targets() if target.startswith("/api/lines")]) == 3


def test_values_are_asked_for_one_by_one(warehouse: Any, suppliers: list[str]) -> None:
    """A list of values is gone through, each with all its pages."""
    vendors = {"params": {"active": "$state"}, "each": {"name": "state", "values": ["true", "false"]}}
    config = warehouse.config(vendors | {"mapping": {"name": "supplierName", "status": "_parent.state"}}, paging=OFFSET)
    assert sorted(warehouse.keys(config)) == suppliers


def test_only_changed_parents_are_asked(warehouse: Any) -> None:
    """Where declared, an increment asks for the children of changed parents alone."""
    warehouse.simulator.evolve(10)
    orders = ORDERS | {"incremental": {"since": "updated_since"}}
    own = LINES | {"each": LINES["each"] | {"changed_only": True}}  # type: ignore[operator]
    config = warehouse.config(entities={"purchase_orders": orders, "purchase_order_lines": own})
    changed = [r["orderId"] for r in warehouse.simulator.records("orders") if r["updatedAt"] > "2026-03-03"]
    warehouse.pages(config, "purchase_order_lines", NEXT_DAY)
    assert len(warehouse.targets()) == 1 + len(changed)
