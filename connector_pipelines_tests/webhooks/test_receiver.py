"""Deliveries over HTTP: what is stored, what is refused, and what callers are told."""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from connector_pipelines.connectors.quickbooks import CONNECTOR as QUICKBOOKS
from connector_pipelines.connectors.quickbooks.simulator import Simulator as QuickBooksSimulator
from connector_pipelines.connectors.quickbooks.simulator.notifications import (
    OTHER_REALM,
    VERIFIER_TOKEN,
    notification,
)
from connector_pipelines.database.connection import connect
from connector_pipelines.model import Source
from connector_pipelines.settings import settings
from connector_pipelines.webhooks import inbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SECRET = "a secret of these tests"


def signed(document: object) -> tuple[bytes, dict[str, str]]:
    """A genuine delivery of the shop."""
    body = json.dumps(document).encode()
    return body, {"X-Signature": hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()}


def told(number: int, kind: str = "order.created") -> tuple[bytes, dict[str, str]]:
    """A genuine delivery of one event, with values that nobody may keep."""
    return signed({"id": f"e{number}", "type": kind, "record": f"r{number}", "name": "Secretname", "total": 12})


def test_an_event_is_stored_as_a_reason_to_read(receiving: Callable[..., Any]) -> None:
    """What is stored of an event is its id, its type, what to read again and a hint; none of its values."""
    place = receiving()
    answer = place.post(*told(1))
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    (event,) = place.rows(
        "SELECT event_id, event_type, status, entities, payload FROM connector.integration_webhook_events"
    )
    assert event == ("e1", "order.created", "pending", ["vendors", "purchase_orders"], {"records": ["r1"]})
    assert "Secretname" not in str(place.rows("SELECT e::text FROM connector.integration_webhook_events e"))


def test_repeated_and_reordered_deliveries_have_one_effect(receiving: Callable[..., Any]) -> None:
    """The same id twice is one event, in whatever order deliveries come, also when it was answered already (F26)."""
    place = receiving()
    for number in (2, 1, 2, 2):
        assert place.post(*told(number)).status_code == 200
    with connect(place.database) as connection:
        connection.execute("UPDATE connector.integration_webhook_events SET status = 'processed'")
    assert place.post(*told(1)).status_code == 200
    assert [(known, status) for known, status, _ in place.events()] == [("e2", "processed"), ("e1", "processed")]


def test_without_an_id_every_delivery_counts(receiving: Callable[..., Any]) -> None:
    """Two equal notices may be about two changes, so without ids both are kept."""
    place = receiving(id=None)
    body, headers = signed({"type": "vendor.updated"})
    assert [place.post(body, headers).status_code for _ in range(2)] == [200, 200]
    assert [entities for _, _, entities in place.events()] == [["vendors"], ["vendors"]]


def test_what_concerns_nothing_is_kept_as_ignored(receiving: Callable[..., Any]) -> None:
    """An event of a type that nothing is read for waits for nobody, and people can see that it came."""
    place = receiving()
    assert place.post(*told(1, "newsletter.sent")).status_code == 200
    assert place.events() == [("e1", "ignored", [])]


def test_failed_and_ignored_events_may_come_again(receiving: Callable[..., Any]) -> None:
    """An event that failed waits again when its sender tries again; an ignored one when it concerns us by now."""
    place = receiving()
    place.post(*told(1))
    place.post(*told(2, "newsletter.sent"))
    with connect(place.database) as connection:
        connection.execute("UPDATE connector.integration_webhook_events SET status = 'failed' WHERE event_id = 'e1'")
    place.post(*told(1))
    place.post(*told(2))
    assert [status for _, status, _ in place.events()] == ["pending", "pending"]


def _wrong_signature() -> tuple[bytes, dict[str, str]]:
    body, _ = told(1)
    return body, {"X-Signature": hmac.new(b"guessed", body, hashlib.sha256).hexdigest()}


REFUSED: dict[str, tuple[dict[str, Any], tuple[bytes, dict[str, str]], int, str]] = {
    "a wrong signature": ({}, _wrong_signature(), 401, "signature or time wrong"),
    "no signature": ({}, (told(1)[0], {}), 401, "signature or time wrong"),
    "another address": ({"allowed_networks": ["203.0.113.0/24"]}, told(1), 403, "address not allowed"),
    "a large body": ({"max_kilobytes": 1}, signed({"id": "x" * 2_000}), 413, "body too large"),
    "no events": ({"events": "items"}, told(1), 400, "not understood"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_deliveries_leave_nothing(receiving: Callable[..., Any], case: str) -> None:
    """Each reason to refuse has its status, stores no event, tells the caller nothing, and is noted (G78, G80)."""
    webhook, (body, headers), status, reason = REFUSED[case]
    place = receiving(**webhook)
    answer = place.post(body, headers)
    assert answer.status_code == status
    assert list(answer.json()) == ["error"]
    assert not {"shop", "signature", "address"} & set(answer.text.lower().split())
    assert place.events() == []
    assert place.noted() == [(f"call refused: {reason}", "shop", 1)]


def test_an_unknown_source_and_one_that_is_off_look_alike(receiving: Callable[..., Any]) -> None:
    """A webhook that is switched off takes nothing, at once, as if there were none (F25)."""
    place = receiving()
    with connect(place.database) as connection:
        inbox.switch(connection, "shop", on=False, who="ann")
    off, unknown = place.post(*told(1)), place.post(*told(1), source="nobody")
    assert (off.status_code, off.text) == (unknown.status_code, unknown.text) == (404, '{"error":"Not Found"}')
    assert place.events() == []
    with connect(place.database) as connection:
        inbox.switch(connection, "shop", on=True, who="ann")
    assert place.post(*told(1)).status_code == 200
    actions = [(action, source) for action, source, _ in place.noted()]
    assert actions == [
        ("webhook switched off", "shop"),
        ("call refused: no such webhook", "shop"),
        ("call refused: no such webhook", None),
        ("webhook switched on", "shop"),
    ]


def test_too_many_deliveries(receiving: Callable[..., Any]) -> None:
    """More deliveries than one address may make are refused; the log has one entry for them, not one each."""
    place = receiving(deliveries_per_minute=3)
    statuses = [place.post(*told(number)).status_code for number in range(8)]
    assert statuses == [200, 200, 200, 429, 429, 429, 429, 429]
    assert len(place.events()) == 3
    assert place.noted() == [("call refused: too many deliveries", "shop", 1)]
    place.receiver.refusals.flush()
    assert place.noted()[1:] == [("call refused: too many deliveries", "shop", 4)]


def test_what_cannot_be_stored_is_to_be_sent_again(receiving: Callable[..., Any], broken_line: Any) -> None:
    """While the database is away, a genuine delivery is answered with 503, so that its sender tries again."""
    place = receiving()
    line, place.receiver.line = place.receiver.line, broken_line
    answer = place.post(*told(1))
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "30")
    assert place.session.get(f"{place.url}/health", timeout=10).status_code == 503
    place.receiver.line = line
    assert place.post(*told(1)).status_code == 200
    assert place.session.get(f"{place.url}/health", timeout=10).status_code == 200


def test_a_missing_secret_is_our_fault(receiving: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret that is not set is answered with 503 and not with 401: senders try again when it is mended."""
    place = receiving()
    monkeypatch.delenv("SHOP_HOOK")
    assert place.post(*told(1)).status_code == 503


def test_a_body_that_hides_its_size(receiving: Callable[..., Any]) -> None:
    """A chunked body is not read beyond the limit."""
    place = receiving(max_kilobytes=1)

    def chunks() -> Iterator[bytes]:
        yield from [b"x" * 500] * 4

    answer = place.session.post(f"{place.url}/webhooks/shop", data=chunks(), timeout=10)
    assert answer.status_code == 413
    assert place.events() == []


def test_a_caller_that_goes_away(receiving: Callable[..., Any]) -> None:
    """A body that breaks off stores nothing, and the next delivery is taken as ever."""
    place = receiving()
    host, port = place.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as caller:
        caller.sendall(b"POST /webhooks/shop HTTP/1.1\r\nHost: here\r\nContent-Length: 100\r\n\r\nhalf")
    assert place.post(*told(1)).status_code == 200
    assert len(place.events()) == 1


def test_other_methods_and_paths(receiving: Callable[..., Any]) -> None:
    """Only POST delivers, and nothing else is served."""
    place = receiving()
    assert place.session.get(f"{place.url}/webhooks/shop", timeout=10).status_code == 405
    assert place.session.post(f"{place.url}/", timeout=10).status_code == 404
    assert place.session.get(f"{place.url}/docs", timeout=10).status_code == 404


def test_text_that_postgres_cannot_hold(receiving: Callable[..., Any]) -> None:
    """NUL characters, lone surrogates and long names are no errors."""
    place = receiving()
    body, headers = signed({"id": "a\0b\ud800" + "c" * 500, "type": "vendor.\0new", "record": "\0"})
    assert place.post(body, headers).status_code == 200
    ((known, status, _),) = place.events()
    assert known.startswith("ab?ccc")
    assert (len(known), status) == (200, "pending")


def books(name: str, realm: str, verified_by: str = "QB_VERIFIER") -> Source:
    """A QuickBooks company."""
    auth = {"client_id": "env:A", "client_secret": "env:B", "refresh_token": "env:C"}
    webhook = {"verifier_token": f"env:{verified_by}"}
    config = QUICKBOOKS.config.model_validate({"realm_id": realm, "auth": auth, "webhook": webhook})
    return Source(name, QUICKBOOKS, config)


@pytest.mark.parametrize("form", ["notifications", "cloudevents"])
def test_one_address_for_several_companies(
    receiving: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, form: Any
) -> None:
    """Intuit delivers for all companies of an app to one address: each source takes its own, another app's none."""
    monkeypatch.setenv("QB_VERIFIER", VERIFIER_TOKEN)
    monkeypatch.setenv("QB_OTHER", "another app's token")
    place = receiving(
        sources=(books("one", "1"), books("two", "2"), books("other", "2", "QB_OTHER"), books("unset", "2", "QB_UNSET"))
    )
    headers, body = notification([("1", "Item", "19", "Update"), ("2", "Vendor", "7", "Create")], form)
    for _ in range(2):
        assert place.post(body, headers, source="one").status_code == 200
    stored = place.rows(
        "SELECT i.name, e.event_type, e.entities FROM connector.integration_webhook_events e"
        " JOIN connector.integrations i ON i.id = e.integration_id ORDER BY e.id"
    )
    assert stored == [("one", "item.update", ["inventory_items"]), ("two", "vendor.create", ["vendors"])]
    assert place.post(body, headers, source="other").status_code == 401
    assert place.post(body, headers, source="unset").status_code == 503


HAPPENED = [("Item", "19", "Update"), ("Vendor", "7", "Create"), ("PurchaseOrder", "3", "Void")]


@pytest.mark.parametrize("form", ["notifications", "cloudevents"])
@pytest.mark.parametrize(
    "hooks",
    [(), ("twice",), ("reordered",), ("forged",), ("two-realms",), ("twice", "reordered", "forged", "two-realms")],
)
def test_whatever_becomes_of_deliveries_each_event_is_there_once(
    receiving: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, hooks: tuple[str, ...], form: Any
) -> None:
    """Told twice, in any order, by strangers, of two companies: each source has each of its events once."""
    monkeypatch.setenv("QB_VERIFIER", VERIFIER_TOKEN)
    company = QuickBooksSimulator(hooks=hooks)
    place = receiving(sources=(books("one", company.realm_id), books("two", OTHER_REALM)))
    sent = company.deliveries([[(company.realm_id, *one)] for one in HAPPENED], form)
    answers = [place.post(body, headers, source="one").status_code for headers, body in sent]
    genuine = len(HAPPENED) * (2 if "twice" in hooks else 1)
    assert sorted(answers) == [200] * genuine + [401] * (len(HAPPENED) if "forged" in hooks else 0)
    stored = place.rows(
        "SELECT i.name, e.event_type, e.payload -> 'records' ->> 0, e.status"
        " FROM connector.integration_webhook_events e"
        " JOIN connector.integrations i ON i.id = e.integration_id"
    )
    whose = ("one", "two") if "two-realms" in hooks else ("one",)
    assert sorted(stored) == sorted(
        (source, f"{name.lower()}.{operation.lower()}", key, "pending")
        for source in whose
        for name, key, operation in HAPPENED
    )


def test_the_last_delivery_may_come_first() -> None:
    """The switch of the simulator that reorders does so, and leaves what is told as it was."""
    told = [[("1", name, key, operation)] for name, key, operation in HAPPENED]
    at = datetime(2026, 11, 20, tzinfo=UTC)
    usual, turned = (QuickBooksSimulator(hooks=hooks).deliveries(told, at=at) for hooks in ((), ("reordered",)))
    assert turned == usual[::-1]
    with pytest.raises(ValueError, match="unknown fault 'thrice'"):
        QuickBooksSimulator(hooks=("thrice",))


def test_secrets_stand_nowhere(receiving: Callable[..., Any]) -> None:
    """The registry of webhooks has references; no row of it, of the events or of the log has a secret."""
    place = receiving()
    place.post(*told(1))
    place.post(*_wrong_signature())
    tables = ("integration_webhooks", "integration_webhook_events", "integration_audit_logs")
    shown = str([place.rows(f"SELECT t::text FROM connector.{table} t") for table in tables])
    assert "env:SHOP_HOOK" in shown
    assert SECRET not in shown
    assert told(1)[1]["X-Signature"] not in shown


def test_metrics(receiving: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Prometheus reads what was delivered and what waits; who is not allowed does not learn that there are metrics."""
    place = receiving()
    place.post(*told(1))
    place.post(*_wrong_signature())
    lines = place.session.get(f"{place.url}/metrics", timeout=10).text.splitlines()
    assert 'connector_pipelines_webhook_deliveries_total{outcome="stored",source="shop"} 1.0' in lines
    assert 'connector_pipelines_webhook_events{source="shop",status="pending"} 1.0' in lines
    spoofed = place.session.get(f"{place.url}/metrics", headers={"X-Forwarded-For": "127.0.0.1"}, timeout=10)
    assert spoofed.status_code == 404
    monkeypatch.setenv("CONNECTOR_PIPELINES_METRICS_NETWORKS", "203.0.113.0/24")
    settings.cache_clear()
    place.receiver.shows_metrics_to = settings().metrics_networks
    settings.cache_clear()
    assert place.session.get(f"{place.url}/metrics", timeout=10).status_code == 404


@pytest.fixture
def trusting(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Sets whose word the receiver takes for a caller's address."""

    def trust(networks: str) -> None:
        monkeypatch.setenv("CONNECTOR_PIPELINES_TRUSTED_PROXIES", networks)
        settings.cache_clear()

    yield trust
    monkeypatch.undo()
    settings.cache_clear()


@pytest.mark.parametrize(
    ("proxies", "forwarded", "status"),
    [
        ("127.0.0.0/8", "203.0.113.9", 200),
        ("127.0.0.0/8", "198.51.100.7", 403),
        ("127.0.0.0/8", "203.0.113.9, 198.51.100.7", 403),  # the first one is what the caller said of itself
        ("127.0.0.0/8, 192.0.2.0/24", "203.0.113.9, 192.0.2.1", 200),  # one trusted proxy behind another
        ("198.51.100.0/24", "203.0.113.9", 403),
        ("", "203.0.113.9", 403),
    ],
)
def test_only_a_declared_proxy_is_believed_whose_call_it_passes_on(
    receiving: Callable[..., Any], trusting: Callable[[str], None], proxies: str, forwarded: str, status: int
) -> None:
    """X-Forwarded-For says who calls where a declared proxy sent it, and there alone; who made it up gains nothing."""
    trusting(proxies)
    place = receiving(allowed_networks=["203.0.113.0/24"])
    body, headers = told(1)
    assert place.post(body, headers | {"X-Forwarded-For": forwarded}).status_code == status
    assert len(place.events()) == (status == 200)
