"""The connector against the simulator, which misbehaves as real servers do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from connector_pipelines.connectors.finale.simulator import Simulator
from connector_pipelines.errors import AuthFailed, BrokenPage, NetworkError, RateLimited, RefusedBySource

if TYPE_CHECKING:
    from connector_pipelines.errors import SyncError

ENTITIES = ("vendors", "inventory_items", "purchase_orders", "purchase_order_lines")

_undisturbed: dict[str, list[tuple[Any, ...]]] = {}

HARMLESS = [
    "ignore-filter",
    "null-lists",
    "string-numbers",
    "exponents",
    "unknown-fields",
    "lower-case-headers",
    "gzip",
    "slow-body=1",
    "503=3",
    "500@1",
    "429=0@1",
    "429=date@1",
    "429=html@1",
    "429-every=2",
    "reset@1",
]


def contents(account: Any, entity: str) -> list[tuple[Any, ...]]:
    """What is accepted, without where it came from."""
    frame = account.read(account.config(), entity).frame
    frame = frame.drop(columns=["page", "row", "fingerprint"]).astype(object)
    return sorted(map(tuple, frame.where(frame.notna(), None).to_numpy().tolist()), key=str)


def undisturbed(account: Any) -> dict[str, list[tuple[Any, ...]]]:
    """What is accepted when nothing goes wrong; the same for all tests, since the account is."""
    if not _undisturbed:
        _undisturbed.update({entity: contents(account, entity) for entity in ("inventory_items", "purchase_orders")})
    return _undisturbed


@pytest.mark.parametrize("fault", HARMLESS)
def test_harmless_faults_change_nothing(account: Any, fault: str) -> None:
    """What a client must live with leaves everything as it is; numbers spelled otherwise are the same numbers."""
    good = undisturbed(account)
    account.simulator.set_faults([fault])
    assert {entity: contents(account, entity) for entity in good} == good


def test_an_answer_is_as_large_as_the_source_says_at_most(account: Any) -> None:
    """A collection over `max_response_mb` is refused as a broken page, and comes whole where more is allowed (F63)."""
    with Simulator(scenario="shop", seed=7) as shop:
        at = {"base_url": shop.url, "account": shop.account}
        with pytest.raises(BrokenPage, match="sends over 1,048,576 bytes"):
            account.pages(account.config(**at, max_response_mb=1), "purchase_orders")
        pages = account.pages(account.config(**at, max_response_mb=2), "purchase_orders")
        bought = [one for one in shop.expected("order") if one["orderTypeId"] == "PURCHASE_ORDER"]
        assert sum(len(page.rows) for page in pages) == len(bought)


@pytest.mark.parametrize("fault", ["empty-list", "empty-object"])
@pytest.mark.parametrize("entity", ENTITIES)
def test_an_empty_account_is_empty(account: Any, entity: str, fault: str) -> None:
    """No entities are no error, and leave a page that proves it."""
    account.simulator.set_faults([fault])
    pages = account.pages(account.config(), entity)
    assert [len(page.rows) for page in pages] == [0]
    assert len(account.read(account.config(), entity).frame) == 0


def test_without_dates_everything_still_comes(account: Any) -> None:
    """Entities without lastUpdatedDate are in a full read."""
    account.simulator.set_faults(["no-dates"])
    frame = account.read(account.config(), "inventory_items").frame
    assert len(frame) == 60
    assert frame["modified_at"].isna().sum() == 20


def test_an_entity_that_comes_twice_is_accepted_twice(account: Any) -> None:
    """A repeated row is handed on, with the same key, for the engine to see."""
    account.simulator.set_faults(["duplicate-ids:product"])
    keys = list(account.read(account.config(), "inventory_items").frame["external_id"])
    assert keys[:2] == ["100001", "100001"]
    assert len(keys) == 61


ROW_FAULTS = {
    "missing-field": "productUrl is required",
    "missing-field=statusId": "statusId is required",
    "nul-byte": "internalName must have at most 1,000 characters and no NUL",
    "big-string": "internalName must have at most 1,000 characters and no NUL",
    "year-0001": "lastUpdatedDate must be an ISO 8601 time from 1900 to 2200",
    "wrong-type": "Expected `str | null`, got `object` - at `$.productUrl`",
    "wrong-type=cost": "cost must be a number",
}


@pytest.mark.parametrize("fault", ROW_FAULTS)
def test_a_bad_row_is_a_dead_letter(account: Any, fault: str) -> None:
    """One bad product is refused with its reason; its 59 neighbors are accepted."""
    account.simulator.set_faults([f"{fault}:product"])
    accepted = account.read(account.config(), "inventory_items")
    assert [rejection.reason for rejection in accepted.rejections] == [ROW_FAULTS[fault]]
    assert len(accepted.frame) == 59


def test_a_bad_stock_row_spoils_one_product(account: Any) -> None:
    """A quantity that is no number makes a dead letter of its product alone."""
    account.simulator.set_faults(["wrong-type=quantityOnHand:inventoryitem"])
    accepted = account.read(account.config(), "inventory_items")
    assert [rejection.reason for rejection in accepted.rejections] == ["stockOnHand must be a number"]
    assert len(accepted.frame) == 59


ERRORS: dict[str, tuple[type[SyncError], str]] = {
    "short-array:product": (BrokenPage, r"different lengths \(most have 60 elements, productId 59\)"),
    "missing-array=supplierList:product": (BrokenPage, "lacks the array supplierList"),
    "null-array:product": (BrokenPage, "'productId' that is no array"),
    "short-array=quantityOnHand:inventoryitem": (BrokenPage, "quantityOnHand 47"),
    "missing-array=quantityReserved:inventoryitem": (BrokenPage, "lacks the array quantityReserved"),
    "truncated": (BrokenPage, "JSON that breaks off"),
    "html-200": (BrokenPage, "HTML or XML"),
    "wrong-charset:product": (BrokenPage, "not UTF-8"),
    "reset": (NetworkError, "tried 6 times"),
    "500": (NetworkError, r"answered 500 \(Internal error\); tried 6 times"),
    "503=99": (NetworkError, "503"),
    "429": (RateLimited, "tried 4 times"),
    "429=html": (RateLimited, "tried 4 times"),
    "limits=120,120,0": (RateLimited, "429"),
    "auth-down": (AuthFailed, "401.*env:FINALE_KEY and env:FINALE_SECRET"),
    "forbidden": (AuthFailed, "403"),
    "404": (RefusedBySource, "404.*Check the base URL"),
}


@pytest.mark.parametrize("fault", ERRORS)
def test_errors_are_named(account: Any, fault: str) -> None:
    """What cannot be read is an error of its kind, that says what happened and what to do."""
    error, says = ERRORS[fault]
    account.simulator.set_faults([fault])
    with pytest.raises(error, match=says) as caught:
        account.read(account.config(), "inventory_items")
    assert caught.value.remedy


def test_a_server_that_stalls(account: Any) -> None:
    """No answer in time is an error."""
    account.simulator.set_faults(["stall"])
    with pytest.raises(NetworkError, match="did not answer in time"):
        account.read(account.config(timeout_seconds=1, max_retries=0), "vendors")


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("report-labels", "has no column 'QoH'; it has Product, Description, Units"),
        ("report-ragged", "has 5 cells in row 2 and 6 in its header"),
        ("html-200:report", "is HTML or XML where CSV or JSON should be"),
    ],
)
def test_broken_reports(account: Any, fault: str, says: str) -> None:
    """A report that is not as it was declared ends the read, after its page was handed over."""
    account.simulator.set_faults([fault])
    report = {"url": account.simulator.report_url(), "product": "Product", "quantity_on_hand": "QoH"}
    if fault != "report-labels":
        report["product"] = "Product ID"
    with pytest.raises(BrokenPage, match=says):
        account.read(account.config(report=report), "inventory_items")


def test_the_limits_of_finale_suffice_for_a_sync(account: Any) -> None:
    """A whole sync stays far below 120 requests a minute and 300 collections an hour."""
    account.simulator.set_faults(["limits"])
    for entity in ENTITIES:
        account.read(account.config(), entity)
    assert [request.status for request in account.simulator.requests] == [200] * 5
