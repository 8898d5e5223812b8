"""One function per table of the service. Each returns the raw pages of a window."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from connector_pipelines.connectors.quickbooks import asking, faults, wire
from connector_pipelines.connectors.quickbooks.asking import ITEM, MINOR_VERSION, PURCHASE_ORDER, TABLES, VENDOR, Table
from connector_pipelines.connectors.quickbooks.paging import OverlapPaging
from connector_pipelines.errors import BrokenPage, NetworkError, RefusedBySource
from connector_pipelines.external.http import Client, Request
from connector_pipelines.external.oauth import RefreshToken
from connector_pipelines.external.options import BUSINESS_RETRIES
from connector_pipelines.external.paginate import SinglePage, paginate
from connector_pipelines.external.retry import Do
from connector_pipelines.external.tokens import Endpoint
from connector_pipelines.external.vault import VaultKeep
from connector_pipelines.model import Health, Mode, Window
from connector_pipelines.pages import Reading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from connector_pipelines.connectors.quickbooks.config import QuickBooksConfig
    from connector_pipelines.connectors.quickbooks.wire import Split
    from connector_pipelines.external.messages import Response
    from connector_pipelines.external.vault import Keep
    from connector_pipelines.pages import Page

MAX_PASSES = 3
"""How often a table that does not hold still while it is read is begun anew."""

MAX_BATCH = 30
"""So many questions fit into one batch."""


@dataclass(frozen=True, slots=True)
class QuickBooks:
    """An open company."""

    config: QuickBooksConfig
    http: Client


@contextmanager
def connect(config: QuickBooksConfig) -> Iterator[QuickBooks]:
    """A client for a company; nothing is asked before the first read.

    Raises:
        ConfigurationError: the base URL is unusable, or would send credentials unencrypted.
    """
    endpoint = Endpoint(config.auth.token_url, config.auth.client_id, config.auth.client_secret)
    with config.client(
        config.root,
        RefreshToken(endpoint, config.auth.refresh_token, kept(config)),
        retries=BUSINESS_RETRIES,
        overrides={200: _judged(Do.ACCEPT), 403: _judged(Do.DENY)},
        explain=faults.explained,
    ) as http:
        yield QuickBooks(config, http)


def kept(config: QuickBooksConfig) -> Keep:
    """Where a company's tokens are kept: in the run's database, sealed."""
    return VaultKeep(f"quickbooks/{config.realm_id}")


def vendors(client: QuickBooks, window: Window) -> Reading:
    """Vendor, active and inactive."""
    return _reading(client, VENDOR, window, wire.splitter(VENDOR.name))


def items(client: QuickBooks, window: Window) -> Reading:
    """Item of every type, active and inactive."""
    return _reading(client, ITEM, window, wire.splitter(ITEM.name))


def purchase_orders(client: QuickBooks, window: Window) -> Reading:
    """PurchaseOrder, open and closed."""
    return _reading(client, PURCHASE_ORDER, window, wire.splitter(PURCHASE_ORDER.name))


def purchase_order_lines(client: QuickBooks, window: Window) -> Reading:
    """The lines of PurchaseOrder: the same pages, taken apart."""
    return _reading(client, PURCHASE_ORDER, window, wire.split_lines)


def check(client: QuickBooks) -> Health:
    """Count each table in one batch: proves URL, credentials, and that each may be read.

    Raises:
        RefusedBySource: one of them may not be read, in QuickBooks' words.
    """
    started = time.monotonic()
    asked = [asking.count(table, Window()) for table in TABLES]
    counted = [wire.total(answer) for answer in batch(client, asked)]
    told = ", ".join(f"{total:,} {table.name}" for table, total in zip(TABLES, counted, strict=True))
    return Health(ok=True, detail=f"QuickBooks Online answers: {told}.", latency_seconds=time.monotonic() - started)


def batch(client: QuickBooks, statements: Sequence[str]) -> Iterator[bytes]:
    """The answers to several statements, in order, as many as fit in one request.

    Yields:
        for each statement the body that it would have got by itself.

    Raises:
        RefusedBySource: QuickBooks refuses one of them: the whole answer has status 200 even so.
        BrokenPage: an answer is missing.
    """
    for first in range(0, len(statements), MAX_BATCH):
        some = statements[first : first + MAX_BATCH]
        asked = [{"bId": str(number), "Query": statement} for number, statement in enumerate(some)]
        response = client.http.send(_batch_request(asked))
        answered = _by_id(response)
        for one in asked:
            told = answered.get(one["bId"])
            fault = faults.fault_in(told) if told else None
            if fault:
                trace = response.headers.get(faults.TRACE, "unknown")
                raise RefusedBySource(
                    f"QuickBooks refuses {one['Query']!r} in a batch: {fault.said}; {faults.TRACE} {trace}.",
                    remedy="Check what the app and the person who connected it may read.",
                )
            if told is None:
                raise BrokenPage(f"a batch has no answer to {one['Query']!r}.", remedy="Try again; tell Intuit.")
            yield json.dumps({"QueryResponse": told.get("QueryResponse")}).encode()


def _batch_request(asked: Sequence[dict[str, str]]) -> Request:
    body = json.dumps({"BatchItemRequest": asked}).encode()
    return Request("batch", _MINOR, "POST", (("Content-Type", "application/json"),), body)


def _by_id(response: Response) -> dict[str, dict[str, Any]]:
    try:
        answers = json.loads(response.body)["BatchItemResponse"]
        return {str(answer["bId"]): answer for answer in answers}
    except (ValueError, KeyError, TypeError):
        raise BrokenPage("a batch is answered with something else.", remedy="Look at the service's status.") from None


def _reading(client: QuickBooks, table: Table, window: Window, split: Split) -> Reading:
    now = datetime.now(UTC)
    parts = _parts(client, table, window, split, asking.asking(window, now))
    pages = (replace(page, number=number) for number, page in enumerate(parts, 1))
    return Reading(pages, snapshot=window.mode is Mode.FULL)


def _parts(client: QuickBooks, table: Table, window: Window, split: Split, how: asking.Asking) -> Iterator[Page]:
    """Change data capture as far as it goes, and the query language for the rest."""
    cut_off = False
    if how.cdc_since:
        since = ("changedSince", asking.moment(how.cdc_since))
        request = Request("cdc", (("entities", table.name), since, *_MINOR))
        of_table = wire.splitter(table.name)
        for page in paginate(client.http.send, split, request, SinglePage()):
            yield page
            cut_off = len(of_table(page.body)) >= asking.CDC_LIMIT
    if how.query or cut_off:
        yield from _passes(client, table, window, split)


def _passes(client: QuickBooks, table: Table, window: Window, split: Split) -> Iterator[Page]:
    """The pages of a table that held still, or as many passes over it as it takes.

    A pass is good when its pages hang together (`paging`) and as many records came as QuickBooks counts, before or
    after. What comes twice is known as such further on.

    Raises:
        NetworkError: no pass was good.
    """
    size = client.config.page_size
    for _ in range(MAX_PASSES):
        total = _count(client, table, window)
        paging = OverlapPaging(size, total, wire.ids(table.name))
        first = _query(asking.select(table, window, start=1, size=size))
        yield from paginate(client.http.send, split, first, paging, in_flight=client.config.in_flight)
        if not paging.torn and (paging.seen >= total or paging.seen >= _count(client, table, window)):
            return
    raise NetworkError(
        f"{table.name} was read {MAX_PASSES} times, and each time fewer records came than QuickBooks counts.",
        remedy="Read at a quieter time.",
    )


def _count(client: QuickBooks, table: Table, window: Window) -> int:
    return wire.total(client.http.send(_query(asking.count(table, window))).body)


_MINOR = (("minorversion", MINOR_VERSION),)


def _query(statement: str) -> Request:
    return Request("query", (("query", statement), *_MINOR))


def _judged(otherwise: Do) -> Callable[[Response], Do]:
    return lambda response: faults.judge(response, otherwise)
