"""Increments in a source's own counting: by the number of a change, or by a token that the source gives."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from connector_pipelines.connectors.json_api import CONNECTOR
from connector_pipelines.declarative.simulator.world import START
from connector_pipelines.errors import BrokenPage, RefusedBySource
from connector_pipelines.model import Window

NUMBER: dict[str, Any] = {
    "params": {"sort": "sequence"},
    "incremental": {"number": "sequence", "since": "since_sequence", "lookback": 0},
}
TOKEN: dict[str, Any] = {
    "params": {"sync": "true"},
    "incremental": {"token": "sync.token", "since": "sync_token"},
}
HEADER = {"params": {"sync": "true"}, "incremental": {"token": {"header": "x-sync-token"}, "since": "sync_token"}}
SIZE = {"size": 15, "size_param": "limit"}
AFTER = {"type": "last_record", "param": "since_sequence", "key": "sequence", **SIZE}
CURSOR = {"type": "cursor", "next": "meta.next_cursor", **SIZE}
OFFSET = {"type": "offset", "size": 15}
WAYS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "number, one answer": (NUMBER, {"type": "none"}),
    "number, last record": (NUMBER, AFTER),
    "number, cursor": (NUMBER, CURSOR),
    "number, links": (NUMBER, {"type": "link", **SIZE}),
    "token, one answer": (TOKEN, {"type": "none"}),
    "token, cursor": (TOKEN, CURSOR),
    "token, offset": (TOKEN, OFFSET),
    "token in a header": (HEADER, CURSOR),
}


@dataclass
class Came:
    """What a read brought, and how far it says it came."""

    keys: list[str]
    reached: str | None


def read(config: Any, after: str | None = None) -> Came:
    """Everything, or what came after a position."""
    (stream,) = CONNECTOR.streams(config)
    assert stream.counts
    assert not stream.filters_by_time
    with CONNECTOR.open(config) as client:
        reading = stream.read(client, Window(START, after=after) if after else Window())
        rows = [row for page in reading.pages for row in page.rows]
        return Came([str(stream.decode(row)[0]) for row in rows], reading.reached())


def changed(warehouse: Any) -> list[str]:
    """The suppliers that the latest version changed."""
    version = warehouse.simulator.world.version
    return [r["supplierId"] for r in warehouse.simulator.records("suppliers") if r["sequence"] >= version * 1_000_000]


@pytest.mark.parametrize(("vendors", "paging"), WAYS.values(), ids=WAYS)
def test_increments_go_on_where_the_one_before_ended(
    warehouse: Any, suppliers: list[str], vendors: dict[str, Any], paging: dict[str, Any]
) -> None:
    """A full read tells how far it came; each increment brings what changed since, and nothing where nothing did."""
    config = warehouse.config(vendors, paging=paging)
    whole = read(config)
    assert whole.keys == suppliers
    assert read(config, whole.reached) == Came([], whole.reached)
    position = whole.reached
    for _ in range(3):
        warehouse.simulator.evolve(20)
        came = read(config, position)
        assert (sorted(came.keys), came.reached == position) == (sorted(changed(warehouse)), False)
        position = came.reached
    assert read(config).reached == position


def test_numbers_are_looked_back_for(warehouse: Any, suppliers: list[str]) -> None:
    """So many numbers are asked for again, and a position never goes back for that."""
    config = warehouse.config(NUMBER | {"incremental": NUMBER["incremental"] | {"lookback": 5}}, paging=AFTER)
    whole = read(config)
    again = read(config, whole.reached)
    assert again == Came(suppliers[-5:], whole.reached)
    warehouse.simulator.world.remove("suppliers", 39)
    assert read(config, whole.reached) == Came(suppliers[-5:-1], whole.reached)
    far = warehouse.config(NUMBER | {"incremental": NUMBER["incremental"] | {"lookback": 1_000}}, paging=AFTER)
    assert read(far, whole.reached).keys == suppliers[1:-1]  # after number 0


@pytest.mark.parametrize(
    "other",
    [
        NUMBER | {"incremental": NUMBER["incremental"] | {"number": "leadTimeDays"}},
        TOKEN,
        HEADER,
    ],
)
def test_another_declaration_is_no_heir(warehouse: Any, suppliers: list[str], other: dict[str, Any]) -> None:
    """A position of something else is not taken for one's own: everything is read."""
    reached = read(warehouse.config(NUMBER)).reached
    (stream,) = CONNECTOR.streams(config := warehouse.config(other))
    with CONNECTOR.open(config) as client:
        rows = [row for page in stream.read(client, Window(START, after=reached)).pages for row in page.rows]
    assert len(rows) == len(suppliers)
    assert not any("since" in target or "sync_token" in target for target in warehouse.targets())


def test_an_expression_may_hold_the_number(warehouse: Any, suppliers: list[str]) -> None:
    """A templated filter gets the number as $since."""
    incremental = {"number": "sequence", "filter": "since_sequence", "expression": "$since", "lookback": 2}
    config = warehouse.config(NUMBER | {"incremental": incremental})
    assert read(config, read(config).reached).keys == suppliers[-2:]


@pytest.mark.parametrize(("vendors", "paging"), [WAYS["number, one answer"], WAYS["token, cursor"]])
def test_what_the_source_forgot_is_read_whole(
    warehouse: Any, suppliers: list[str], vendors: dict[str, Any], paging: dict[str, Any]
) -> None:
    """A source that knows no changes since then is read whole where a rule says so; otherwise the read fails."""
    rule = {"status": [410], "then": "restart"}
    config = warehouse.config(vendors, paging=paging, answers=[rule])
    whole = read(config)
    warehouse.simulator.set_faults(["forgotten"])
    assert read(config, whole.reached) == whole == Came(suppliers, whole.reached)
    with pytest.raises(RefusedBySource, match="answered 410"):
        read(warehouse.config(vendors, paging=paging), whole.reached)


def test_a_full_read_that_is_told_to_restart_fails(warehouse: Any) -> None:
    """Reading everything cannot begin with everything once more."""
    warehouse.simulator.set_faults(["404"])
    with pytest.raises(RefusedBySource, match="knows no changes since then"):
        read(warehouse.config(NUMBER, answers=[{"status": [404], "then": "restart"}]))


def test_numbers_that_begin_anew_are_followed_down_by_a_full_read(warehouse: Any) -> None:
    """After a source was set up again its numbers are lower: a full read tells the new ones."""
    config = warehouse.config(NUMBER)
    warehouse.simulator.evolve(20)
    before = json.loads(read(config).reached or "")
    warehouse.simulator.world._versions.clear()
    after = json.loads(read(config).reached or "")
    assert int(after["at"]) < int(before["at"])


def test_numbers_out_of_order_end_the_read(warehouse: Any) -> None:
    """Pages whose numbers fall could leave a change out for good, so the read fails and says what to do."""
    warehouse.simulator.evolve(20)
    config = warehouse.config(NUMBER | {"params": {}}, paging=CURSOR)
    with pytest.raises(BrokenPage, match=r"the numbers at 'sequence' fall from 1,0.*sort by them"):
        read(config)


@pytest.mark.parametrize(
    ("vendors", "fault"), [(TOKEN, "no-sync-token"), (HEADER, "no-sync-token"), (NUMBER, "null-field=sequence")]
)
def test_a_read_that_does_not_say_how_far_it_came_fails(warehouse: Any, vendors: dict[str, Any], fault: str) -> None:
    """Where records came and the token did not, the read fails; one record without its number is no harm."""
    warehouse.simulator.set_faults([fault])
    if vendors is NUMBER:
        assert read(warehouse.config(vendors)).reached is not None
        return
    with pytest.raises(BrokenPage, match=r"no page says at .* how far it reaches"):
        read(warehouse.config(vendors))


def test_nothing_at_all_reaches_nowhere(warehouse: Any) -> None:
    """An empty collection without a token leaves the next increment to read everything."""
    warehouse.simulator.set_faults(["empty-list", "no-sync-token"])
    assert read(warehouse.config(TOKEN)) == Came([], None)
    assert read(warehouse.config(NUMBER)) == Came([], None)


@pytest.mark.parametrize(
    ("vendors", "paging", "sentence"),
    [
        (NUMBER, OFFSET, "number needs pages in its own order"),
        (NUMBER, {"type": "page"}, "number needs pages in its own order"),
        (NUMBER, AFTER | {"key": "supplierId"}, "last_record with the key sequence"),
        (NUMBER | {"incremental": NUMBER["incremental"] | {"token": "sync.token"}}, CURSOR, "name one"),
        (NUMBER | {"incremental": NUMBER["incremental"] | {"until": "before"}}, CURSOR, "have no end"),
        (TOKEN | {"incremental": TOKEN["incremental"] | {"token": "sync["}}, CURSOR, "no JMESPath expression"),
        (NUMBER | {"incremental": {"number": "sequence"}}, CURSOR, "one of since, filter"),
        (NUMBER | {"each": {"values": ["a"]}}, CURSOR, "of one collection"),
    ],
)
def test_a_way_of_counting_that_loses_changes_is_refused(
    warehouse: Any, vendors: dict[str, Any], paging: dict[str, Any], sentence: str
) -> None:
    """Where a change could slip by for good, or two ways of counting meet, the declaration is refused."""
    with pytest.raises(ValueError, match=sentence):
        warehouse.config(vendors, paging=paging)
