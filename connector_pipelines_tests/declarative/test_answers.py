"""Credentials, and answers that are errors: each ends as its kind demands, whatever its status."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from connector_pipelines.connectors.json_api import CONNECTOR
from connector_pipelines.declarative.answers import Answer, lifted
from connector_pipelines.errors import AuthFailed, BrokenPage, NetworkError, RateLimited, RefusedBySource, SecretMissing
from connector_pipelines.external.messages import Response
from connector_pipelines.external.surroundings import share
from connector_pipelines.external.vault import new_key
from connector_pipelines.settings import settings as process_settings

SECRET, USER = "env:WAREHOUSE_SECRET", "env:WAREHOUSE_USER"
OFFSET = {"type": "offset", "size": 15, "total": "meta.total"}
SCHEMES: dict[str, dict[str, Any]] = {
    "bearer": {"type": "bearer", "token": SECRET},
    "basic": {"type": "basic", "user": USER, "password": SECRET},
    "key in a header": {"type": "api_key", "key": SECRET},
    "key in the query": {"type": "api_key", "key": SECRET, "name": "api_key", "place": "query"},
    "key in a cookie": {"type": "api_key", "key": SECRET, "name": "api_key", "place": "cookie"},
    "oauth1": {"type": "oauth1", "key": USER, "secret": SECRET},
    "jwt": {"type": "jwt", "key": "env:WAREHOUSE_KEY", "algorithm": "HS256", "claims": {"iss": "us"}},
}
FETCHED: dict[str, dict[str, Any]] = {
    "client credentials": {"type": "oauth2", "client_id": USER, "client_secret": SECRET},
    "in the form": {"type": "oauth2", "client_id": USER, "client_secret": SECRET, "send_as": "body"},
    "password": {"type": "oauth2_password", "user": USER, "password": SECRET},
    "service account": SCHEMES["jwt"],
}


@pytest.mark.parametrize("auth", SCHEMES.values(), ids=SCHEMES)
def test_every_scheme_is_let_in(warehouse: Any, suppliers: list[str], auth: dict[str, Any]) -> None:
    """Each scheme reads the collection; the secret is in no page's URL."""
    config = warehouse.config(auth=auth, paging=OFFSET)
    assert warehouse.keys(config) == suppliers
    assert not any(warehouse.simulator.secret in page.url for page in warehouse.pages(config))


def test_a_key_may_be_in_the_body(warehouse: Any, suppliers: list[str]) -> None:
    """With POST the key is a field of the JSON body, beside what else is there; with GET it is refused in time."""
    auth = {"type": "api_key", "key": SECRET, "name": "api_key", "place": "body"}
    paging = OFFSET | {"into": "body"}
    config = warehouse.config({"method": "POST", "body": {"active": "true"}}, auth=auth, paging=paging)
    assert 0 < len(warehouse.keys(config)) < len(suppliers)
    assert not any(warehouse.simulator.secret in target for target in warehouse.targets())
    with pytest.raises(ValueError, match="a key in the body needs method POST"):
        warehouse.config(auth=auth)


@pytest.mark.parametrize("auth", FETCHED.values(), ids=FETCHED)
def test_tokens_are_renewed(warehouse: Any, suppliers: list[str], auth: dict[str, Any]) -> None:
    """A token that ends between two pages is fetched anew, and the page is read again."""
    warehouse.simulator.set_faults(["token-expiry=2"])
    config = warehouse.config(auth=auth | {"token_url": warehouse.simulator.token_url}, paging=OFFSET, in_flight=1)
    assert warehouse.keys(config) == suppliers
    assert warehouse.targets().count("/token") == 2


@pytest.mark.parametrize("more", [{}, {"token": "auth.token", "header": "X-Session"}, {"as_json": False}])
def test_a_forgotten_session_is_begun_anew(warehouse: Any, suppliers: list[str], more: dict[str, Any]) -> None:
    """A session from a log-in, by cookie or from the body, is renewed when the source forgets it between two pages."""
    warehouse.simulator.set_faults(["token-expiry=2"])
    login = {"type": "session", "login_url": f"{warehouse.simulator.url}/login", "cookie": "session"}
    auth = login | {"user": USER, "password": SECRET} | more
    assert warehouse.keys(warehouse.config(auth=auth, paging=OFFSET, in_flight=1)) == suppliers
    assert warehouse.targets().count("/login") == 2


def test_a_rotated_refresh_token_is_kept(
    warehouse: Any, suppliers: list[str], database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refresh token that is replaced with every use is kept: the next process goes on with what it led to."""
    monkeypatch.setenv("CONNECTOR_PIPELINES_SECRET_KEYS", new_key())
    process_settings.cache_clear()
    warehouse.simulator.set_faults(["token-expiry=2"])
    auth = {"type": "oauth2_refresh", "token_url": warehouse.simulator.token_url, "refresh_token": SECRET}
    config = warehouse.config(auth=auth, paging=OFFSET, in_flight=1)
    for _ in range(2):
        with share(database):
            assert warehouse.keys(config) == suppliers
    process_settings.cache_clear()
    assert warehouse.targets().count("/token") == 3


def test_limits_are_kept(warehouse: Any, database: str) -> None:
    """What a user says of a source's limits is felt: a read that finds no turn in time says so and can be resumed."""
    config = warehouse.config(paging=OFFSET, requests_per_hour=2, in_flight=1)
    with share(database), pytest.raises(RateLimited, match=r"the limits of .* are spent"):
        warehouse.keys(config)
    assert len(warehouse.targets()) == 2


@pytest.mark.parametrize("pair", [{"client_id": USER}, {"client_secret": SECRET}])
def test_half_a_pair_is_refused(warehouse: Any, pair: dict[str, str]) -> None:
    """A client id without its secret, or the other way round, is a mistake of the declaration."""
    auth = {"type": "oauth2_password", "token_url": "https://id.example", "user": USER, "password": SECRET} | pair
    with pytest.raises(ValueError, match="client_id and client_secret belong together"):
        warehouse.config(auth=auth)


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
        ("500", NetworkError, "answered 500 .Oh dear.*tried 6 times", 6),
        ("429", RateLimited, "answered 429.*after waiting as told", 4),
        ("429-date", RateLimited, "after waiting as told", 4),
        ("429-html", RateLimited, "after waiting as told", 4),
        ("429-reset", RateLimited, "after waiting as told", 4),
        ("reset", NetworkError, "broke off", 6),
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


@pytest.mark.parametrize(
    ("place", "seconds"), [("error.wait", 7), ("error.nothing", None), ({"header": "X-Wait"}, None)]
)
def test_an_answer_may_say_itself_how_long_to_wait(place: Any, seconds: float | None) -> None:
    """Where a rule says so the wait is read from the body or a header; where nothing stands there, it is as usual."""
    rule = Answer.model_validate({"status": [429], "then": "wait", "after": place})
    busy = Response(429, {}, b'{"error": {"message": "Slow down", "wait": 7}}', "")
    assert lifted([rule])(busy, datetime.now(UTC)) == seconds
    assert lifted([])(busy, datetime.now(UTC)) is None


def test_a_wait_that_is_told_in_the_body_is_kept(warehouse: Any, suppliers: list[str]) -> None:
    """A source that says in its body when it may be asked again is asked then."""
    rule = {"status": [429], "then": "wait", "after": "error.wait"}
    warehouse.simulator.set_faults(["429-body=0@1"])
    assert warehouse.keys(warehouse.config(answers=[rule])) == suppliers


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
