"""One function per collection. Each returns the raw pages of a window, a page being a slice of an answer.

Finale does not page: one answer is the collection, or as much of it as a span of time holds. So there is no next page
to look for, only spans to ask for (`windows.py`).
"""

from __future__ import annotations

import json
import time
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from io import BytesIO
from itertools import count
from typing import IO, TYPE_CHECKING, TypeVar

from connector_pipelines.connectors.finale import columnar, stock, windows, wire
from connector_pipelines.connectors.finale.answers import Answers
from connector_pipelines.connectors.finale.columnar import cut, explained, whole
from connector_pipelines.errors import BrokenPage
from connector_pipelines.external import auth
from connector_pipelines.external.http import Client, Request
from connector_pipelines.external.options import BUSINESS_RETRIES
from connector_pipelines.external.session import SessionLogin
from connector_pipelines.model import Health, Mode, Window
from connector_pipelines.pages import Page, Reading, Stability

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence

    from connector_pipelines.connectors.finale.answers import Answer
    from connector_pipelines.connectors.finale.config import FinaleConfig
    from connector_pipelines.connectors.finale.stock import Stock
    from connector_pipelines.connectors.finale.windows import Span

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Finale:
    """An open source."""

    config: FinaleConfig
    http: Client


@dataclass(frozen=True, slots=True)
class Collection:
    """What is asked for to feed an entity.

    Attributes:
        name: as it stands in the URL.
        fields: arrays that must be there.
        split: a slice to its records.
        equal: what every entity must have; only top-level texts can be asked for.
    """

    entity: str
    name: str
    fields: Sequence[str]
    split: Callable[[bytes], Sequence[bytes]]
    equal: tuple[tuple[str, str], ...] = ()


_PURCHASES = (("orderTypeId", "PURCHASE_ORDER"),)
VENDORS = Collection("vendors", "partygroup", wire.PARTY_FIELDS, wire.split_parties)
ITEMS = Collection("inventory_items", "product", wire.PRODUCT_FIELDS, wire.split_products)
ORDERS = Collection("purchase_orders", "order", wire.ORDER_FIELDS, wire.split_orders, _PURCHASES)
LINES = Collection("purchase_order_lines", "order", wire.LINE_FIELDS, wire.split_lines, _PURCHASES)


@contextmanager
def connect(config: FinaleConfig) -> Iterator[Finale]:
    """A client for an account; nothing is asked before the first read.

    Raises:
        ConfigurationError: the base URL is unusable, or would send credentials unencrypted.
    """
    with config.client(
        config.root,
        _auth(config),
        retries=BUSINESS_RETRIES,
        explain=lambda response: explained(response.body),
        max_bytes=config.max_response_mb * 1024 * 1024,
    ) as http:
        yield Finale(config, http)


def vendors(client: Finale, window: Window) -> Reading:
    """GET /partygroup: suppliers, and customers and carriers, which are told apart by their roles."""
    return _read(client, VENDORS, window)


def inventory_items(client: Finale, window: Window) -> Reading:
    """GET /product, and before it the stock of all of them."""
    return _read(client, ITEMS, window)


def purchase_orders(client: Finale, window: Window) -> Reading:
    """GET /order of type PURCHASE_ORDER."""
    return _read(client, ORDERS, window)


def purchase_order_lines(client: Finale, window: Window) -> Reading:
    """GET /order of type PURCHASE_ORDER, for the lines in them."""
    return _read(client, LINES, window)


def check(client: Finale) -> Health:
    """Read one product: proves URL, account, credentials and that answers are what they should be."""
    started = time.monotonic()
    response = client.http.send(Request(f"{ITEMS.name}/", (("limit", "1"),)))
    rows = cut(BytesIO(response.body), ITEMS.fields).entities
    found = "answers" if rows else "answers, but shows no product"
    detail = f"Finale account {client.config.account} {found}."
    return Health(ok=True, detail=detail, latency_seconds=time.monotonic() - started)


def _read(client: Finale, collection: Collection, window: Window) -> Reading:
    """All pages of a collection in a window.

    They are the whole collection only as the one answer to a question without a filter: an entity without a
    lastUpdatedDate is in no span.
    """
    since = client.config.full_read_since.get(collection.entity)  # type: ignore[call-overload]  # a key of ours
    spans = windows.spans(window, now=datetime.now(UTC), whole_since=since)
    whole = window.mode is Mode.FULL and spans == (None,)
    pages = _pages(client, collection, spans)
    return Reading(pages, snapshot=True, stability=_one_answer) if whole else Reading(pages, snapshot=False)


def _one_answer() -> Stability:
    """One answer has no edges between pages where rows could slip through."""
    return Stability.STABLE


def _pages(client: Finale, collection: Collection, spans: Iterable[Span | None]) -> Generator[Page]:
    """The pages of some spans. A span that is too full for one answer is read as two halves instead.

    Raises:
        BrokenPage: an answer is not what it should be, or there may be more than it holds.
    """
    numbers, todo = count(1), deque(spans)
    with_stock = collection is ITEMS and client.config.quantities is not None
    with Answers(client.http) as answers:
        held = (yield from _stock(client, answers, _request(collection, todo[0]), numbers)) if with_stock else None
        while todo:
            span = todo.popleft()
            with answers.to(_request(collection, span), _request(collection, todo[0]) if todo else None) as answer:
                halves = yield from _span(client, collection, span, answer, held=held, numbers=numbers)
            todo.extendleft(reversed(halves))


def _span(
    client: Finale,
    collection: Collection,
    span: Span | None,
    answer: Answer,
    *,
    held: Stock | None,
    numbers: Iterator[int],
) -> Generator[Page, None, tuple[Span, ...]]:
    """The pages of one answer; or none, and the halves to ask for instead."""
    slices = yield from _made(answer, numbers, lambda: cut(answer.file, collection.fields))
    if slices.entities >= client.config.collection_cap:
        halves = span.halves(datetime.now(UTC)) if span else None
        if halves is None:
            yield from _made(answer, numbers, lambda: _refuse(collection, span, slices.entities))
        return halves or ()
    url, status = answer.response.url, answer.response.status
    for at, part in enumerate(slices):
        body = columnar.joined(part, held.columns(part)) if held else part
        named = f"{url}#slice={at + 1}" if len(slices) > 1 else url
        yield Page(next(numbers), named, status, body, collection.split(body))
    return ()


def _stock(client: Finale, answers: Answers, then: Request, numbers: Iterator[int]) -> Generator[Page, None, Stock]:
    """How much there is of each product; read before the products, which are asked for while it is added up.

    Raises:
        BrokenPage: it is not all there, or not what it should be.
    """
    report, cap = client.config.report, client.config.collection_cap
    asked = Request(report.url, headers=(("Accept", "*/*"),)) if report else Request("inventoryitem/")
    with answers.to(asked, then) as answer:
        if report:
            return (yield from _made(answer, numbers, lambda: stock.of_report(whole(answer.file), report)))
        return (yield from _made(answer, numbers, lambda: _all_items(answer.file, cap)))


def _all_items(file: IO[bytes], cap: int) -> Stock:
    slices = cut(file, stock.ITEM_FIELDS)
    if slices.entities >= cap:
        raise BrokenPage(
            f"inventoryitem holds {slices.entities:,} rows, which is as many as Finale sends: there may be more, and "
            "quantities would be too small.",
            remedy="Build a stock report in Finale and set `report`, or set `stock: none`.",
        )
    return stock.of_items(slices)


def _made(answer: Answer, numbers: Iterator[int], make: Callable[[], T]) -> Generator[Page, None, T]:
    """What is made of an answer. One that is broken is handed over before the error, so that it is landed."""
    try:
        return make()
    except BrokenPage:
        yield Page(next(numbers), answer.response.url, answer.response.status, whole(answer.file), ())
        raise


def _refuse(collection: Collection, span: Span | None, found: int) -> None:
    where = f"{collection.name} from {span}" if span else collection.name
    raise BrokenPage(
        f"{where} holds {found:,} entities, which is as many as Finale sends: there may be more.",
        remedy=f"Set `full_read_since: {{{collection.entity}: <the day of your oldest change>}}`, so that it is read "
        "in spans of 30 days."
        if span is None
        else "Ask Finale's support how to read so many changes of one second.",
    )


def _request(collection: Collection, span: Span | None) -> Request:
    wanted = windows.filter_of(span, dict(collection.equal))
    return Request(f"{collection.name}/", (("filter", wanted),) if wanted else ())


def _auth(config: FinaleConfig) -> auth.Auth:
    declared = config.auth
    if declared.type == "api_key":
        return auth.Basic(declared.key, declared.secret)
    log_in = f"{config.root}/auth"
    return SessionLogin(log_in, declared.username, declared.password, cookie="JSESSIONID", adorn=_with_secret)


def _with_secret(request: Request, session: str) -> Request:
    """A POST with the session in its body, too, which must be a JSON object (contract 5, "Auth")."""
    if request.method != "POST":
        return request
    body = json.loads(request.body or b"{}") | {"sessionSecret": session}
    return replace(request, body=json.dumps(body).encode())
