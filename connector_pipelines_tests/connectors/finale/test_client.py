from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from connector_pipelines import settings
from connector_pipelines.connectors.finale import CONNECTOR, client, columnar, config
from connector_pipelines.errors import AuthFailed, BrokenPage, SecretMissing
from connector_pipelines.external.http import Request
from connector_pipelines.model import Window
from connector_pipelines.pages import Stability

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = datetime.now(UTC)
ORDERS_ONLY = {"orderTypeId": "PURCHASE_ORDER"}


def tails(records: list[dict[str, Any]], field: str) -> list[str]:
    """The keys of records, sorted."""
    return sorted(record[field].rsplit("/", 1)[1] for record in records)


def test_credentials_travel_as_basic(account: Any) -> None:
    """Key and secret are user and password of HTTP Basic; nobody logs in."""
    account.read(account.config(), "vendors")
    (request,) = account.simulator.requests
    assert (request.path, request.status, request.headers["authorization"]) == ("/demo/api/partygroup/", 200, "…")


def test_each_entity_is_one_request(account: Any) -> None:
    """A full read asks once for each collection without a filter by time, and items once more for their stock."""
    for entity in ("vendors", "inventory_items", "purchase_orders", "purchase_order_lines"):
        account.read(account.config(), entity)
    asked = [(r.collection, r.query.get("filter")) for r in account.simulator.requests]
    assert asked == [
        ("partygroup", None),
        ("inventoryitem", None),
        ("product", None),
        ("order", ORDERS_ONLY),
        ("order", ORDERS_ONLY),
    ]


def test_a_session_is_opened_once(account: Any) -> None:
    """The older log-in happens with the first request, and its cookie serves all others."""
    config = account.session()
    with CONNECTOR.open(config) as opened:
        for stream in CONNECTOR.streams(config):
            list(stream.read(opened, Window()).pages)
    paths = [request.path for request in account.simulator.requests]
    assert paths.count("/demo/api/auth") == 1
    assert paths[0] == "/demo/api/auth"
    assert all("authorization" not in request.headers for request in account.simulator.requests)


def test_a_forgotten_session_is_renewed(account: Any) -> None:
    """A session that ends between two requests is opened anew, once, and the request is sent again."""
    with CONNECTOR.open(account.session()) as opened:
        list(client.vendors(opened, Window()).pages)
        account.simulator.expire_sessions()
        list(client.vendors(opened, Window()).pages)
    asked = [(request.collection, request.status) for request in account.simulator.requests]
    again = [("partygroup", 401), ("auth", 200), ("partygroup", 200)]
    assert asked == [("auth", 200), ("partygroup", 200), *again]


def test_a_session_that_never_holds_is_an_error(account: Any) -> None:
    """When the new session is refused, too, a person is told which credentials to look at."""
    account.simulator.set_faults(["session-expiry=0"])
    with pytest.raises(
        AuthFailed, match=r"after its credentials were renewed.*env:FINALE_USER and env:FINALE_PASSWORD"
    ):
        account.read(account.session(), "vendors")
    assert [request.collection for request in account.simulator.requests].count("auth") == 2


def test_wrong_passwords_are_named(account: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refused log-in names the variables that hold user and password, and neither of them."""
    monkeypatch.setenv("FINALE_PASSWORD", "wr0ng-passw0rd")
    with pytest.raises(AuthFailed, match=r"answered 401 and gave no session.*env:FINALE_PASSWORD") as caught:
        account.read(account.session(), "vendors")
    assert "wr0ng" not in str(caught.value)


def test_secrets_are_looked_up_when_needed(account: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that is not set ends the first request with its name."""
    monkeypatch.delenv("FINALE_SECRET")
    with pytest.raises(SecretMissing, match="FINALE_SECRET"):
        account.read(account.config(), "vendors")


@pytest.mark.parametrize("way", ["config", "session"])
def test_a_post_repeats_the_session(account: Any, way: str) -> None:
    """With the older log-in each POST has the session's secret in its body, with a key none; both are accepted."""
    with CONNECTOR.open(getattr(account, way)()) as opened:
        url = "product/100001"
        answer = opened.http.send(Request(url, method="POST", body=b'{"internalName": "New"}'))
    assert answer.status == 200
    (write,) = account.simulator.ledger
    assert (write.url, write.fields) == ("/demo/api/product/100001", {"internalName": "New"})
    assert (b"sessionSecret" in account.simulator.requests[-1].body) == (way == "session")


def test_a_young_delta_filters_by_time(account: Any) -> None:
    """What changed since a day is one request with an open range, and just what changed."""
    at = NOW - timedelta(days=20)
    account.simulator.evolve(30, at=at)
    accepted = account.read(account.config(stock="none"), "inventory_items", Window(at - timedelta(hours=1)))
    changed = [r for r in account.expected("product") if r["lastUpdatedDate"] == f"{at:%Y-%m-%dT%H:%M:%S}"]
    assert sorted(accepted.frame["external_id"]) == tails(changed, "productUrl")
    assert 0 < len(changed) < 60
    (asked,) = account.filters("product")
    assert asked == {"lastUpdatedDate": [f"{at - timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}", None]}


def test_an_old_delta_is_a_full_read(account: Any) -> None:
    """Where Finale would refuse the range, everything is read, in one request, and no absence is concluded."""
    config = account.config()
    with CONNECTOR.open(config) as opened:
        reading = client.vendors(opened, Window(NOW - timedelta(days=40)))
        rows = sum(len(page.rows) for page in reading.pages)
    assert rows == len(account.expected("partygroup"))
    assert account.filters("partygroup") == [None]
    assert not reading.snapshot


def test_one_answer_proves_absence(account: Any) -> None:
    """What is not in the one answer to a question without a filter is not there; spans prove nothing of the kind."""
    with CONNECTOR.open(account.config()) as opened:
        whole = client.vendors(opened, Window())
    with CONNECTOR.open(account.config(full_read_since={"vendors": "2026-01-01"})) as opened:
        in_spans = client.vendors(opened, Window())
    assert (whole.snapshot, whole.stability()) == (True, Stability.STABLE)
    assert (in_spans.snapshot, in_spans.stability()) == (False, None)


def test_a_long_window_is_cut(account: Any) -> None:
    """A span of the past that is longer than Finale takes is read in parts, which together hold what it holds."""
    window = Window(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC))
    accepted = account.read(account.config(), "purchase_orders", window)
    inside = [
        r
        for r in account.expected("order")
        if "2026-03-01" <= r["lastUpdatedDate"] < "2026-07-01" and r["orderTypeId"] == "PURCHASE_ORDER"
    ]
    assert sorted(set(accepted.frame["external_id"])) == tails(inside, "orderUrl")
    asked = account.filters("order")
    assert len(asked) == 5
    assert all(filter_["orderTypeId"] == "PURCHASE_ORDER" for filter_ in asked)


def test_the_cap_is_never_taken_for_the_end(account: Any) -> None:
    """A full read that is as long as an answer can be is refused with what to do, after its page was handed over."""
    account.simulator.set_faults(["cap=12"])
    config = account.config(collection_cap=12)
    with CONNECTOR.open(config) as opened:
        pages = client.vendors(opened, Window()).pages
        shown = next(pages)
        with pytest.raises(BrokenPage, match=r"partygroup holds 12 entities.*full_read_since: \{vendors: "):
            next(pages)
    assert shown.rows == ()
    assert len(shown.body) > 100


def test_stock_over_the_cap_is_refused(account: Any) -> None:
    """Quantities of which a part is missing would be wrong, so that the read ends and names the way out, a report."""
    account.simulator.set_faults(["cap=40:inventoryitem"])
    with pytest.raises(BrokenPage, match=r"inventoryitem holds 40 rows.*Build a stock report"):
        account.read(account.config(collection_cap=40), "inventory_items")


def test_a_collection_over_the_cap_is_read_in_spans(account: Any) -> None:
    """With a first day, more entities than an answer holds are read in spans, the full ones halved; none is missing."""
    account.simulator.set_faults(["cap=8:product"])
    since = {"inventory_items": "2025-10-01"}
    config = account.config(collection_cap=8, full_read_since=since, stock="none")
    with CONNECTOR.open(config) as opened:
        reading = client.inventory_items(opened, Window())
        pages = list(reading.pages)
    stream = next(s for s in CONNECTOR.streams(config) if s.entity == "inventory_items")
    keys = {str(stream.columns["productUrl"](stream.decode(raw))) for page in pages for raw in page.rows}
    assert sorted(keys) == tails(account.expected("product"), "productUrl")
    assert not reading.snapshot
    assert [page.number for page in pages] == list(range(1, len(pages) + 1))
    assert any(request.rows == 8 for request in account.simulator.requests)
    assert all(len(page.rows) < 8 for page in pages)


def test_too_many_changes_of_one_second_are_an_error(account: Any) -> None:
    """Where even a second holds more than an answer, the read ends instead of going on without the rest."""
    account.simulator.evolve(100, at=datetime(2026, 9, 2, tzinfo=UTC))
    account.simulator.set_faults(["cap=5:partygroup"])
    config = account.config(collection_cap=5, full_read_since={"vendors": "2026-08-20"})
    with pytest.raises(BrokenPage, match=r"partygroup from 2026-09-0[12]T.*holds 5 entities.*of one second"):
        account.read(config, "vendors")


def test_large_answers_are_pages_of_slices(account: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """One answer becomes several pages, each of which splits again to its own rows, with its stock."""
    monkeypatch.setattr(client, "cut", lambda body, fields: columnar.cut(body, fields, slice_bytes=5_000))
    config = account.config()
    pages = account.pages(config, "inventory_items")
    stream = next(s for s in CONNECTOR.streams(config) if s.entity == "inventory_items")
    assert len(pages) > 3
    assert sum(len(page.rows) for page in pages) == 60
    assert all(list(stream.split(page.body)) == list(page.rows) for page in pages)
    assert all(b"stockOnHand" in row for page in pages for row in page.rows)
    assert pages[1].url.endswith("/demo/api/product/#slice=2")


@pytest.mark.parametrize("form", ["csv", "json", "jsonObject"])
def test_stock_from_a_report(account: Any, form: str) -> None:
    """A report replaces inventoryitem: one request, and the same quantities on hand for every product that has any."""
    labels = {"quantity_on_hand": "QoH", "quantity_reserved": "Reserved", "reorder_point": "Reorder point"}
    url = account.simulator.report_url(form)
    reported = account.read(account.config(report={"url": url} | labels), "inventory_items").frame
    collected = account.read(account.config(), "inventory_items").frame
    names = ["external_id", "quantity_on_hand", "quantity_reserved"]
    merged = reported[names].merge(collected[names], on="external_id", suffixes=("", "_sum"))
    zero = merged.fillna("0")
    assert list(zero["quantity_on_hand"]) == list(zero["quantity_on_hand_sum"])
    assert list(zero["quantity_reserved"]) == list(zero["quantity_reserved_sum"])
    assert set(reported["reorder_point"].dropna()) == {"1000"}
    assert [r.collection for r in account.simulator.requests][:2] == ["report", "product"]


def test_the_connection_test_is_cheap(account: Any) -> None:
    """One product is asked for; an account without products answers, and that is said."""
    with CONNECTOR.open(account.config()) as opened:
        assert CONNECTOR.check(opened).detail == "Finale account demo answers."
        account.simulator.set_faults(["empty-list"])
        assert CONNECTOR.check(opened).detail == "Finale account demo answers, but shows no product."
    assert [request.query for request in account.simulator.requests] == [{"limit": "1"}] * 2


@pytest.fixture
def fresh_settings() -> Iterator[None]:
    """Settings that are read from this test's environment."""
    settings.settings.cache_clear()
    yield
    settings.settings.cache_clear()


@pytest.mark.usefixtures("fresh_settings")
@pytest.mark.parametrize(("declared", "environment", "tries"), [(None, None, 6), (None, "1", 2), (0, "1", 1)])
def test_retries(
    account: Any, monkeypatch: pytest.MonkeyPatch, declared: int | None, environment: str | None, tries: int
) -> None:
    """A failing server is asked six times, unless the environment, or the source itself, says otherwise."""
    monkeypatch.delenv("INTEGRATION_MAX_RETRIES", raising=False)
    if environment:
        monkeypatch.setenv("INTEGRATION_MAX_RETRIES", environment)
    account.simulator.set_faults(["500"])
    with pytest.raises(Exception, match=f"Internal error.*tried {tries} time"):
        account.read(account.config(max_retries=declared), "vendors")
    assert len(account.simulator.requests) == tries


@pytest.mark.parametrize(
    ("method", "path", "names"),
    [
        ("GET", "/demo/api/product/", ["GET", "collections and reports"]),
        ("GET", "/demo/api/product", ["GET", "collections and reports"]),
        ("GET", "/demo/doc/report/pivotTable/1/Report.csv", ["GET", "collections and reports"]),
        ("GET", "/demo/api/product/100001", ["GET"]),
        ("POST", "/demo/api/product/100001", ["POST"]),
    ],
)
def test_budgets(method: str, path: str, names: list[str]) -> None:
    """Every request counts for its verb, and one that reads a collection or a report for the hour's budget, too."""
    request = Request(f"https://app.finaleinventory.com{path}", method=method)
    assert [budget.name for budget in config.BUDGETS if budget.counts(request)] == names
