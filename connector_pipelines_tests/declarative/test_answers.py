"""Credentials, and answers that are errors: each ends as its kind demands, whatever its status."""

from __future__ import annotations

from typing import Any

import pytest

from connector_pipelines.connectors.json_api import CONNECTOR
from connector_pipelines.errors import AuthFailed, BrokenPage, NetworkError, RateLimited, RefusedBySource, SecretMissing

SECRET, USER = "env:WAREHOUSE_SECRET", "env:WAREHOUSE_USER"
OFFSET = {"type": "offset", "size": 15, "total": "meta.total"}
SCHEMES: dict[str, dict[str, Any]] = {
    "bearer": {"type": "bearer", "token": SECRET},
    "basic": {"type": "basic", "user": USER, "password": SECRET},
    "key in a header": {"type": "api_key", "key": SECRET},
    "key in the query": {"type": "api_key", "key": SECRET, "name": "api_key", "place": "query"},
    "oauth1": {"type": "oauth1", "key": USER, "secret": SECRET},
}


@pytest.mark.parametrize("auth", SCHEMES.values(), ids=SCHEMES)
def test_every_scheme_is_let_in(warehouse: Any, suppliers: list[str], auth: dict[str, Any]) -> None:
    """Each scheme reads the collection; the secret is in no page's URL."""
    config = warehouse.config(auth=auth, paging=OFFSET)
    assert warehouse.keys(config) == suppliers
    assert not any(warehouse.simulator.secret in page.url for page in warehouse.pages(config))


@pytest.mark.parametrize("send_as", ["basic", "body"])
def test_oauth2_tokens_are_renewed(warehouse: Any, suppliers: list[str], send_as: str) -> None:
    """A token that ends between two pages is renewed, and the page is read again."""
    warehouse.simulator.set_faults(["token-expiry=2"])
    auth = {"type": "oauth2", "token_url": warehouse.simulator.token_url, "send_as": send_as}
    config = warehouse.config(auth=auth | {"client_id": USER, "client_secret": SECRET}, paging=OFFSET, in_flight=1)
    assert warehouse.keys(config) == suppliers
    assert warehouse.targets().count("/token") == 2


def test_a_secret_header_will_do(warehouse: Any, suppliers: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret may stand in a header of its own; unset, it is named before anything is asked."""
    config = warehouse.config(auth=None, secret_headers={"X-API-Key": SECRET})
    assert warehouse.keys(config) == suppliers
    warehouse.simulator.calls.clear()
    monkeypatch.delenv("WAREHOUSE_SECRET")
    with pytest.raises(SecretMissing, match="WAREHOUSE_SECRET"):
        warehouse.keys(config)
    assert warehouse.targets() == []


@pytest.mark.parametrize(
    ("fault", "kind", "sentence", "asked"),
    [
        ("401", AuthFailed, "answered 401.*env:WAREHOUSE_SECRET", 1),
        ("403", AuthFailed, "answered 403 .Not for you.*env:WAREHOUSE_SECRET", 1),
        ("404", RefusedBySource, "answered 404 .Nothing here", 1),
        ("500", NetworkError, "answered 500 .Oh dear.*tried 4 times", 4),
        ("429", RateLimited, "answered 429.*after waiting as told", 4),
        ("429-date", RateLimited, "after waiting as told", 4),
        ("429-html", RateLimited, "after waiting as told", 4),
        ("reset", NetworkError, "broke off", 4),
        ("truncated", BrokenPage, "JSON that breaks off", 1),
        ("html-200", BrokenPage, "HTML or XML where JSON should be", 1),
        ("wrong-charset", BrokenPage, "character set", 1),
    ],
)
def test_errors_end_as_their_kind_demands(
    warehouse: Any, fault: str, kind: type[Exception], sentence: str, asked: int
) -> None:
    """Without rules of its own a source's errors are those of the common table; the source's words are told."""
    warehouse.simulator.set_faults([fault])
    with pytest.raises(kind, match=sentence):
        warehouse.keys(warehouse.config())
    assert len(warehouse.targets()) == asked


@pytest.mark.parametrize("fault", ["500@2", "503=2", "429@1", "reset@1", "stall@1", "gzip", "delay=1"])
def test_what_passes_is_borne(warehouse: Any, suppliers: list[str], fault: str) -> None:
    """A failure that passes is tried again, and nothing is lost."""
    warehouse.simulator.set_faults([fault])
    config = warehouse.config(paging=OFFSET, in_flight=1, timeout_seconds=1)
    assert warehouse.keys(config) == suppliers


def test_a_403_may_mean_too_many(warehouse: Any, suppliers: list[str]) -> None:
    """A throttle in a 403's clothes is waited for where a rule says so; any other 403 is about credentials."""
    rule = {"status": [403], "contains": "rate limit exceeded", "then": "wait"}
    warehouse.simulator.set_faults(["403-throttle@1"])
    assert warehouse.keys(warehouse.config(answers=[rule])) == suppliers
    warehouse.simulator.set_faults(["403"])
    with pytest.raises(AuthFailed, match="Not for you"):
        warehouse.keys(warehouse.config(answers=[rule]))


@pytest.mark.parametrize(
    ("then", "kind"),
    [("refuse", RefusedBySource), ("wait", RateLimited), ("deny", AuthFailed), ("retry", NetworkError)],
)
def test_an_error_inside_a_200_is_one(warehouse: Any, then: str, kind: type[Exception]) -> None:
    """What a rule finds in the body of a 200 is the error it is, in the source's words."""
    warehouse.simulator.set_faults(["error-200"])
    rule = {"status": [200], "where": "success == `false`", "then": then}
    with pytest.raises(kind, match="The quota of this tenant is used up"):
        warehouse.keys(warehouse.config(answers=[rule]))


def test_an_error_inside_a_200_is_no_empty_page(warehouse: Any) -> None:
    """Without a rule, too: a page without its list is an error that has the source's words."""
    warehouse.simulator.set_faults(["error-200"])
    with pytest.raises(BrokenPage, match="no list at 'data'; the source says: The quota of this tenant"):
        warehouse.keys(warehouse.config())


def test_a_404_may_mean_nothing(warehouse: Any) -> None:
    """An answer that a rule calls empty is a page without rows, also when it is read again from where it landed."""
    rule = {"status": [404], "where": "error.message == 'Nothing here'", "then": "empty"}
    config = warehouse.config(answers=[rule])
    warehouse.simulator.set_faults(["404"])
    [page] = warehouse.pages(config)
    stream = CONNECTOR.streams(config)[0]
    assert list(page.rows) == list(stream.split(page.body)) == []


def test_a_server_error_is_never_empty(warehouse: Any) -> None:
    """A rule that takes a 500 for an empty page is refused at its definition."""
    with pytest.raises(ValueError, match="an error of the server cannot be taken for a page"):
        warehouse.config(answers=[{"status": [500], "then": "empty"}])


def test_a_rule_may_look_at_a_header(warehouse: Any, suppliers: list[str]) -> None:
    """A rule with a header is about answers that have it, and no others."""
    rule = {"status": [200], "header": "X-Maintenance", "then": "retry"}
    assert warehouse.keys(warehouse.config(answers=[rule])) == suppliers
    present = rule | {"header": "X-Total-Count"}
    with pytest.raises(NetworkError):
        warehouse.keys(warehouse.config(answers=[present]))


def test_the_connection_test_says_what_it_saw(warehouse: Any) -> None:
    """The connection test names address, number of records, and whether a next page was found."""
    for paging, said in ((OFFSET, "15 records on the first page; there is another page"), (None, "40 records")):
        with CONNECTOR.open(warehouse.config(**({"paging": paging} if paging else {}))) as client:
            health = CONNECTOR.check(client)
        assert health.ok
        assert said in health.detail
    assert health.detail.endswith("it is the last.")
