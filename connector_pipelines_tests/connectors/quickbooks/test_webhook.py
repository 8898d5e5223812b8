"""Notifications: genuine or not, and what to read again."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from quickbooks.client import QuickBooks as Published

from connector_pipelines.connectors.quickbooks import webhook
from connector_pipelines.connectors.quickbooks.simulator.notifications import VERIFIER_TOKEN, notification
from connector_pipelines.errors import BrokenPage

FORMS: tuple[Literal["notifications", "cloudevents"], ...] = ("notifications", "cloudevents")
TOLD = [
    ("1", "Item", "19", "Update"),
    ("2", "PurchaseOrder", "105", "Delete"),
    ("1", "Vendor", "41", "Create"),
    ("1", "Customer", "3", "Merge"),
]


@pytest.mark.parametrize("form", FORMS)
def test_both_forms_say_the_same(form: Any) -> None:
    """Both forms name the same changes, of all companies in the delivery."""
    _, body = notification(TOLD, form)
    told = {(c.realm_id, c.name, c.external_id, c.operation) for c in webhook.changes(body)}
    assert told == {(realm, name.lower(), key, operation.lower()) for realm, name, key, operation in TOLD}
    assert {change.at for change in webhook.changes(body)} == {datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)}


@pytest.mark.parametrize("form", FORMS)
def test_each_company_reads_its_own(form: Any) -> None:
    """A company reads what changed in it, parents first; what feeds nothing of ours is read by nobody."""
    _, body = notification(TOLD, form)
    assert webhook.to_read(body, "1") == ("vendors", "inventory_items")
    assert webhook.to_read(body, "2") == ("purchase_orders", "purchase_order_lines")
    assert webhook.to_read(body, "3") == ()


@pytest.mark.parametrize("form", FORMS)
def test_repeated_and_reordered_ones_change_nothing(form: Any) -> None:
    """The same things told twice or in another order ask for the same reads."""
    _, once = notification(TOLD, form)
    _, twice = notification([*reversed(TOLD), *TOLD], form)
    assert webhook.to_read(once, "1") == webhook.to_read(twice, "1")
    assert set(webhook.changes(once)) == set(webhook.changes(twice))
    assert len(webhook.changes(twice)) == len(TOLD)


@pytest.mark.parametrize("form", FORMS)
def test_a_genuine_one(form: Any) -> None:
    """A signed body is genuine, whatever the case of the header's name; a published client agrees."""
    headers, body = notification(TOLD, form)
    signature = headers["intuit-signature"]
    assert webhook.genuine(headers, body, VERIFIER_TOKEN)
    assert webhook.genuine({"Intuit-Signature": signature}, body, VERIFIER_TOKEN)
    assert Published(minorversion=75).validate_webhook_signature(body.decode(), signature, VERIFIER_TOKEN)


@given(at=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_a_changed_body_is_not_genuine(at: int, bit: int) -> None:
    """One flipped bit anywhere, or the same document in other bytes, is not what was signed."""
    headers, body = notification(TOLD, "cloudevents")
    changed = bytearray(body)
    changed[at % len(body)] ^= 1 << bit
    assert not webhook.genuine(headers, bytes(changed), VERIFIER_TOKEN)
    assert not webhook.genuine(headers, json.dumps(json.loads(body), indent=1).encode(), VERIFIER_TOKEN)


@pytest.mark.parametrize("given_signature", ["", "?", "abc", "ä", "AAAA", None])
def test_a_wrong_signature(given_signature: str | None) -> None:
    """A missing, damaged or foreign signature is not genuine, and neither is any without a token to verify it."""
    headers, body = notification(TOLD, "cloudevents")
    wrong = {} if given_signature is None else {"intuit-signature": given_signature}
    assert not webhook.genuine(wrong, body, VERIFIER_TOKEN)
    assert not webhook.genuine(headers, body, "")
    assert not webhook.genuine(headers, body, "another")


NEITHER = [b"", b"{}", b"null", b"<html>", b'{"eventNotifications":null}', b"[1]", b'[{"type":"qbo.item.updated.v1"}]']


@pytest.mark.parametrize("body", NEITHER)
def test_another_form_is_told(body: bytes) -> None:
    """A body in neither form is an error, not a notification of nothing."""
    with pytest.raises(BrokenPage, match="neither of QuickBooks' two forms"):
        webhook.changes(body)


def test_events_of_other_products_are_no_mistake() -> None:
    """An event that is not about a record, and a time that cannot be read, harm nothing."""
    events = [
        {"type": "intuit.payments.charge.v1", "intuitaccountid": "1"},
        {"type": "qbo.item.emailed.v1", "intuitaccountid": "1", "intuitentityid": "7", "time": "soon"},
    ]
    assert webhook.changes(json.dumps(events).encode()) == (webhook.Change("1", "item", "7", "emailed", None),)
