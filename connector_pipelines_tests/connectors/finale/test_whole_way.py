"""From the simulator to core: what stands there is the truth, and a read that fails harms nothing."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from connector_pipelines.connectors.finale import wire
from connector_pipelines.connectors.finale.wire import tail
from connector_pipelines.errors import Category, SyncError
from connector_pipelines.model import Mode

if TYPE_CHECKING:
    from collections.abc import Callable

Truth = dict[str, dict[str, dict[str, Any]]]

ENTITIES = ("vendors", "inventory_items", "purchase_orders", "purchase_order_lines")


def differences(place: Any, truth: Truth) -> list[tuple[Any, ...]]:
    """Entity, external id, what core holds and what it should hold, wherever these differ."""
    held = {entity: place.core(entity) for entity in truth}
    return [
        (entity, key, held[entity].get(key), rows.get(key))
        for entity, rows in truth.items()
        for key in sorted(held[entity].keys() | rows.keys())
        if held[entity].get(key) != rows.get(key)
    ]


def written(done: dict[str, Any]) -> int:
    """How many rows a sync created or updated."""
    return sum(outcome.plan.counts.created + outcome.plan.counts.updated for outcome in done.values())


@pytest.mark.parametrize("auth", ["api_key", "session"])
def test_core_is_the_truth(place: Any, truth: Callable[[], Truth], auth: str) -> None:
    """After one sync core is the account, row by row and field by field, and a second sync writes nothing."""
    declared = {"auth": place.account.session().auth.model_dump()} if auth == "session" else {}
    done = place.sync(**declared)
    assert differences(place, truth()) == []
    assert [outcome.verified for outcome in done.values()] == [True] * 4
    assert place.letters() == []
    before = place.checksum()
    again = place.sync(**declared)
    assert written(again) == 0
    assert sum(outcome.plan.counts.unchanged for outcome in again.values()) == written(done)
    assert place.checksum() == before


def test_changes_arrive(place: Any, truth: Callable[[], Truth]) -> None:
    """After changes, renames and new records everywhere, the next full sync makes core the account again."""
    place.sync()
    place.account.simulator.evolve(15)
    place.sync()
    assert differences(place, truth()) == []


def test_increments_arrive(place: Any, truth: Callable[[], Truth]) -> None:
    """An incremental sync asks for what changed, in one span, writes just that, and core is the account again."""
    place.sync()
    before = truth()
    at = datetime.now(UTC) - timedelta(days=3)
    place.set_back(at - timedelta(days=1))
    place.account.simulator.evolve(15, at=at)
    done = place.sync(mode=Mode.INCREMENTAL)
    after = truth()
    assert differences(place, after) == []
    changed = sum(before[entity].get(key) != row for entity, rows in after.items() for key, row in rows.items())
    assert written(done) == changed
    (asked,) = place.account.filters("partygroup")[1:]
    assert asked["lastUpdatedDate"][1] is None


def test_a_line_that_was_taken_out_is_gone(place: Any) -> None:
    """An increment brings a changed order with all its lines: one that is not among them any more is absent."""
    place.sync()
    order = next(r for r in place.account.expected("order") if len(r["orderItemList"]) > 1)
    taken, *left = order["orderItemList"]
    changed = order | {"orderItemList": left, "lastUpdatedDate": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}"}
    place.account.simulator.put("order", order["orderUrl"], changed)
    counts = place.sync("purchase_order_lines", mode=Mode.INCREMENTAL)["purchase_order_lines"].plan.counts
    assert (counts.absent, counts.dropped) == (1, 0)
    key = f"{tail(order['orderUrl'])}/{tail(taken['orderItemUrl'])}"
    gone = "SELECT external_id FROM connector.external_system_mappings WHERE absent_since IS NOT NULL"
    assert place.rows(gone) == [(key,)]


@pytest.mark.parametrize(
    ("items", "whole"),
    [([], True), (None, True), ([{"orderItemUrl": "/i/1"}], True), ([{}], False), (["item"], False), ("none", False)],
)
def test_an_order_is_whole_when_its_lines_have_addresses(items: object, *, whole: bool) -> None:
    """Of an order with a line that nobody can name, it is not known which of its lines are gone."""
    body = json.dumps({"orderUrl": ["/o/7", None], "orderItemList": [items, []]}).encode()
    assert wire.whole_orders(body) == (["7"] if whole else [])


def test_a_renamed_product_stays_the_same_row(place: Any) -> None:
    """When somebody renames a product, its row keeps its place in core and gets the new name."""
    place.sync("vendors", "inventory_items")
    product = next(r for r in place.account.expected("product") if r["productUrl"].endswith("100002"))
    place.account.simulator.put("product", product["productUrl"], product | {"productId": "RENAMED"})
    done = place.sync("vendors", "inventory_items")
    assert written(done) == 1
    assert place.core("inventory_items")["100002"]["sku"] == "RENAMED"


def test_stock_moves_without_its_product(place: Any, truth: Callable[[], Truth]) -> None:
    """Quantities are right after an incremental sync, too, although no product says that it changed."""
    place.sync()
    place.account.simulator.evolve(0)
    before = place.core("inventory_items")
    place.sync("inventory_items", mode=Mode.INCREMENTAL)
    assert place.core("inventory_items") == truth()["inventory_items"] != before


def test_a_collection_over_the_cap(place: Any, truth: Callable[[], Truth]) -> None:
    """Read in spans, a collection that no answer can hold is in core whole."""
    config = {"collection_cap": 9, "stock": "none", "full_read_since": {"inventory_items": "2025-10-01"}}
    place.account.simulator.set_faults(["cap=9:product"])
    place.sync("vendors", entities=["vendors"])
    place.sync("inventory_items", **config)
    assert place.core("inventory_items").keys() == truth()["inventory_items"].keys()


def test_an_emptied_account_is_held(place: Any) -> None:
    """An account that suddenly sends nothing changes nothing: its plans wait for a person."""
    place.sync()
    before = place.checksum()
    place.account.simulator.set_faults(["empty-object"])
    done = place.sync("vendors")
    assert done["vendors"].plan.reasons == ("empty: the source sent nothing, and had 10 records before",)
    assert place.checksum() == before


FAILING: dict[str, tuple[Category, str]] = {
    "short-array=groupName:partygroup": (Category.DATA_ERROR, "different lengths"),
    "missing-array=groupName:partygroup": (Category.DATA_ERROR, "lacks the array groupName"),
    "truncated": (Category.DATA_ERROR, "breaks off"),
    "html-200": (Category.DATA_ERROR, "HTML"),
    "404": (Category.DATA_ERROR, "Check the base URL"),
    "500": (Category.NETWORK_ERROR, "tried 6 times"),
    "reset": (Category.NETWORK_ERROR, "Try again later."),
    "429": (Category.RATE_LIMITED, "Run it less often"),
    "auth-down": (Category.AUTH_FAILED, "env:FINALE_SECRET"),
    "forbidden": (Category.AUTH_FAILED, "allowed to read"),
}


@pytest.mark.parametrize("fault", FAILING)
def test_failing_reads_harm_nothing(place: Any, truth: Callable[[], Truth], fault: str) -> None:
    """A read that fails is a named failure, core and plans stay as they are, and the next good read is complete."""
    category, says = FAILING[fault]
    place.sync("vendors")
    place.account.simulator.evolve(30)
    before, plans = place.checksum(), place.rows("SELECT count(*) FROM connector.sync_plans")
    place.account.simulator.set_faults([fault])
    with pytest.raises(SyncError) as caught:
        place.sync("vendors")
    message = str(caught.value)
    assert caught.value.category is category
    assert message.startswith("shop/vendors: ")
    assert says in message
    assert "What to do: " in message
    assert "simulator-secret" not in message
    run = "SELECT state, error FROM connector.sync_runs ORDER BY id DESC LIMIT 1"
    assert place.rows(run) == [("failed", message)]
    assert (place.checksum(), place.rows("SELECT count(*) FROM connector.sync_plans")) == (before, plans)
    place.account.simulator.clear_faults()
    place.sync("vendors")
    assert differences(place, {"vendors": truth()["vendors"]}) == []


def test_the_broken_answer_is_landed(place: Any) -> None:
    """The answer that ended a read lies where a person can look at it."""
    place.account.simulator.set_faults(["short-array=quantityOnHand:inventoryitem"])
    with pytest.raises(SyncError, match="different lengths"):
        place.sync("inventory_items")
    ((read,),) = place.rows("SELECT max(id) FROM connector.sync_runs")
    (page,) = place.landing.pages("shop", "inventory_items", read)
    assert b"quantityOnHand" in page.body
