"""Webhooks that are declared in YAML."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from connector_pipelines.capabilities import Hook, hook_of
from connector_pipelines.connectors.csv_api import CONNECTOR as CSV
from connector_pipelines.connectors.json_api import CONNECTOR as JSON
from connector_pipelines.errors import BrokenPage
from connector_pipelines.model import Source
from connector_pipelines.notices import Delivery, Notice

VENDORS = {"path": "suppliers", "id": "id", "mapping": {"name": "name"}}
ORDERS = {"path": "orders", "id": "id", "mapping": {"order_number": "no"}}


def hook(connector: Any = JSON, **webhook: Any) -> Hook:
    """The webhook of a source with vendors and orders."""
    declared = {
        "base_url": "https://api.example",
        "entities": {"purchase_orders": ORDERS, "vendors": VENDORS},
        "webhook": {"secret": "env:DECLARED_HOOK"} | webhook,
    }
    found = hook_of(Source("shop", connector, connector.config.model_validate(declared)))
    assert found
    return found


def told(document: object, bound: Hook, headers: dict[str, str] | None = None) -> list[Notice]:
    """What a delivery says."""
    return list(bound.notices(Delivery(headers or {}, json.dumps(document).encode())))


@pytest.mark.parametrize("connector", [JSON, CSV], ids=["json", "csv"])
def test_every_event_reads_everything_by_default(connector: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing is said about types, each event reads all entities, parents first; signatures are verified."""
    monkeypatch.setenv("DECLARED_HOOK", "s3cret")
    bound = hook(connector)
    body = b'{"type": "whatever"}'
    mac = hmac.new(b"s3cret", body, hashlib.sha256).hexdigest()
    assert bound.genuine(Delivery({"x-signature": mac}, body), datetime.now(UTC))
    assert not bound.genuine(Delivery({"x-signature": mac}, body + b" "), datetime.now(UTC))
    assert told({"type": "whatever"}, bound) == [Notice("whatever", ("vendors", "purchase_orders"))]


def test_types_say_what_to_read() -> None:
    """A type reads what the first words that fit it say, several patterns together; what none fits reads nothing."""
    reads = {"order.*": ["purchase_orders"], "*.created": ["vendors"]}
    bound = hook(reads=reads, events="batch.items", type="what.kind", id="no", record="ref")
    kinds = ["order.updated", "order.created", "refund.updated"]
    items = [{"what": {"kind": kind}, "no": number, "ref": 9} for number, kind in enumerate(kinds)]
    assert told({"batch": {"items": items}}, bound) == [
        Notice("order.updated", ("purchase_orders",), "0", ("9",)),
        Notice("order.created", ("vendors", "purchase_orders"), "1", ("9",)),
        Notice("refund.updated", (), "2", ("9",)),
    ]


def test_the_type_may_stand_in_a_header() -> None:
    """A system that sends the type in a header may send any JSON as its body."""
    bound = hook(reads={"orders/*": ["purchase_orders"]}, type_header="X-Topic")
    (notice,) = told({"id": 5}, bound, {"x-topic": "orders/create"})
    assert (notice.kind, notice.entities) == ("orders/create", ("purchase_orders",))


@pytest.mark.parametrize("body", [b"", b"no json", b'{"other": 1}', b"[" * 100_000])
def test_a_body_that_is_something_else(body: bytes) -> None:
    """A body without events where they should be is an error, not a notice of nothing."""
    with pytest.raises(BrokenPage, match="Compare a delivery"):
        hook(events="items").notices(Delivery({}, body))


def test_what_is_read_again_must_be_there() -> None:
    """A declaration that names an entity the source does not feed is refused."""
    with pytest.raises(ValidationError, match=r"webhook\.reads names students, which this source does not feed"):
        hook(reads={"*": ["students"]})
