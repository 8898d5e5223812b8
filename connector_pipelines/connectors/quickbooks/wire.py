"""The records as they travel, and how an answer becomes records.

Everything is optional here and unknown fields are ignored: what a record must have is said once, in `schemas.py`.
An answer is split without being decoded; then only the records that matter are decoded, each by itself. Numbers are
read as decimals, never as floats.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from connector_pipelines.connectors.quickbooks import faults
from connector_pipelines.errors import BrokenPage
from connector_pipelines.external import redact
from connector_pipelines.pages import BadRow

Split = Callable[[bytes], Sequence[bytes]]


class Ref(msgspec.Struct, gc=False):
    """A reference to another record."""

    value: str | None = None
    name: str | None = None


class Stamp(msgspec.Struct, gc=False):
    """MetaData."""

    LastUpdatedTime: str | None = None


class Record(msgspec.Struct, gc=False):
    """What every record has. `status` is "Deleted" in change data capture, where nothing but the id is left."""

    Id: str | None = None
    MetaData: Stamp | None = None
    status: str | None = None


class Item(Record, gc=False):
    """Item."""

    Name: str | None = None
    Sku: str | None = None
    Description: str | None = None
    Active: bool | None = None
    ParentRef: Ref | None = None
    UnitPrice: Decimal | None = None
    Type: str | None = None
    PurchaseCost: Decimal | None = None
    PrefVendorRef: Ref | None = None
    QtyOnHand: Decimal | None = None
    QtyOnPurchaseOrder: Decimal | None = None
    QtyOnSalesOrder: Decimal | None = None
    ReorderPoint: Decimal | None = None


class Phone(msgspec.Struct, gc=False):
    """A telephone number."""

    FreeFormNumber: str | None = None


class Email(msgspec.Struct, gc=False):
    """An e-mail address."""

    Address: str | None = None


class Web(msgspec.Struct, gc=False):
    """A web address."""

    URI: str | None = None


class Address(msgspec.Struct, gc=False):
    """A postal address."""

    Line1: str | None = None
    Line2: str | None = None
    Line3: str | None = None
    Line4: str | None = None
    Line5: str | None = None
    City: str | None = None
    CountrySubDivisionCode: str | None = None
    PostalCode: str | None = None
    Country: str | None = None


class Vendor(Record, gc=False):
    """Vendor."""

    CompanyName: str | None = None
    DisplayName: str | None = None
    Active: bool | None = None
    PrimaryPhone: Phone | None = None
    Mobile: Phone | None = None
    PrimaryEmailAddr: Email | None = None
    WebAddr: Web | None = None
    BillAddr: Address | None = None
    AcctNum: str | None = None
    CurrencyRef: Ref | None = None


class PurchaseOrder(Record, gc=False):
    """PurchaseOrder, without its lines."""

    DocNumber: str | None = None
    TxnDate: str | None = None
    CurrencyRef: Ref | None = None
    PrivateNote: str | None = None
    VendorRef: Ref | None = None
    TotalAmt: Decimal | None = None
    Memo: str | None = None
    DueDate: str | None = None
    ExpectedDate: str | None = None
    POStatus: str | None = None


class LineDetail(msgspec.Struct, gc=False):
    """What a line orders."""

    ItemRef: Ref | None = None
    UnitPrice: Decimal | None = None
    Qty: Decimal | None = None


class Line(msgspec.Struct, gc=False):
    """A line as it stands in its order."""

    Id: str | None = None
    LineNum: int | None = None
    Description: str | None = None
    Amount: Decimal | None = None
    Received: Decimal | None = None
    DetailType: str | None = None
    ItemBasedExpenseLineDetail: LineDetail | None = None


class OrderHead(msgspec.Struct, gc=False):
    """What a line must know of its order."""

    Id: str
    POStatus: str | None = None
    MetaData: Stamp | None = None


class OrderLine(msgspec.Struct, gc=False):
    """A line with its order, as `split_lines` composes it."""

    Order: OrderHead
    Line: Line


class _Order(msgspec.Struct, gc=False):
    """An order whose lines are taken apart."""

    Id: str
    POStatus: str | None = None
    MetaData: Stamp | None = None
    Line: list[msgspec.Raw] | None = None


class _Head(msgspec.Struct, gc=False):
    Id: Any = None


class _Changes(msgspec.Struct):
    QueryResponse: list[dict[str, msgspec.Raw]]


class _Answer(msgspec.Struct):
    """An answer to a query, or to change data capture."""

    QueryResponse: dict[str, msgspec.Raw] | None = None
    CDCResponse: list[_Changes] | None = None


_BESIDE = frozenset({"startPosition", "maxResults", "totalCount", "Warnings"})
"""What an answer has beside its records."""

_LOOK = "Look at the landed page; tell Intuit."
_BOM = b"\xef\xbb\xbf"
_answer = msgspec.json.Decoder(_Answer)
_records = msgspec.json.Decoder(list[msgspec.Raw])
_head = msgspec.json.Decoder(_Head)
_order = msgspec.json.Decoder(_Order)


def splitter(table: str) -> Split:
    """A function that gives the raw records of an answer, from a query or from change data capture.

    An answer without any record has no list at all; one with another table's records is not what we asked for.

    Returns:
        a pure function; it raises `BrokenPage` for anything else, in a sentence with its beginning.
    """

    def split(body: bytes) -> Sequence[bytes]:
        found: list[bytes] = []
        for part in _parts(body):
            strange = part.keys() - _BESIDE - {table}
            if strange:
                raise _broken(body, f"has {', '.join(sorted(strange))} where {table} was asked for")
            if table in part:
                found += _list(body, part[table])
        return found

    return split


def split_lines(body: bytes) -> Sequence[bytes]:
    """The raw lines of a page of purchase orders, each with what it must know of its order.

    An order that cannot be taken apart is one record, which then cannot be decoded: it becomes a dead letter.
    """
    return [line for raw in _split_orders(body) for line in _lines(raw)]


def whole_orders(body: bytes) -> Sequence[str]:
    """The ids of the orders of a page whose lines it holds, all of them: also of deleted ones, which have none left.

    Not of an order that cannot be taken apart, or with a line whose id cannot be read.
    """
    orders = map(_taken_apart, _split_orders(body))
    return [order.Id for order in orders if order and order.Id and all(_id(bytes(line)) for line in order.Line or ())]


def ids(table: str) -> Callable[[bytes], Sequence[str]]:
    """A function that gives the ids of a page's records, in order; a record without one is told by its bytes."""
    split = splitter(table)

    def read(body: bytes) -> Sequence[str]:
        return [_id(bytes(raw)) or repr(bytes(raw)) for raw in split(body)]

    return read


def total(body: bytes) -> int:
    """The answer to COUNT(*).

    Raises:
        BrokenPage: it is none.
    """
    for part in _parts(body):
        if "totalCount" in part:
            counted = json.loads(bytes(part["totalCount"]))
            if isinstance(counted, int) and counted >= 0:
                return counted
    raise _broken(body, "has no totalCount, which was asked for")


def decoder(record: type[msgspec.Struct]) -> Callable[[bytes], Any]:
    """A function that decodes one raw record.

    Returns:
        a pure function; it raises `BadRow`, and `BrokenPage` where the bytes are no UTF-8, which concerns the whole
        source and not the rows that happen to show it.
    """
    row = msgspec.json.Decoder(record)

    def decode(raw: bytes) -> Any:
        try:
            return row.decode(raw)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise _bad(bytes(raw), error) from None

    return decode


def line_id(order: str | None, line: str | None) -> str | None:
    """A line's id: those of QuickBooks are unique within their order only."""
    return f"{order}:{line}" if order and line else None


def _parts(body: bytes) -> Sequence[dict[str, msgspec.Raw]]:
    """The query responses of an answer: one, or those of change data capture.

    Raises:
        BrokenPage: there are none.
    """
    try:
        told = _answer.decode(body.removeprefix(_BOM))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise _broken(body, _wrong(body)) from None
    fault = faults.fault_of(body)
    if fault:
        raise _broken(body, f"is a refusal ({fault.said})")
    if told.QueryResponse is not None:
        return [told.QueryResponse]
    if not told.CDCResponse:
        raise _broken(body, "has neither QueryResponse nor CDCResponse")
    return [part for changes in told.CDCResponse for part in changes.QueryResponse]


def _list(body: bytes, raw: msgspec.Raw) -> list[msgspec.Raw]:
    try:
        return _records.decode(raw)
    except (msgspec.MsgspecError, RecursionError):
        raise _broken(body, "has something else where its list should be") from None


def _lines(raw: bytes) -> Sequence[bytes]:
    order = _taken_apart(raw)
    if order is None:
        return [b'{"unreadable":%b}' % bytes(raw)]
    head = msgspec.json.encode(OrderHead(order.Id, order.POStatus, order.MetaData))
    return [b'{"Order":%b,"Line":%b}' % (head, bytes(line)) for line in order.Line or ()]


def _taken_apart(raw: bytes) -> _Order | None:
    try:
        return _order.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


_split_orders = splitter("PurchaseOrder")


def _id(raw: bytes) -> str | None:
    """The id of a record that may be unreadable otherwise."""
    try:
        told = _head.decode(raw).Id
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return told if isinstance(told, str) and told.isprintable() and 0 < len(told) <= 255 else None  # noqa: PLR2004 -- as in schemas


def _bad(raw: bytes, error: Exception) -> BadRow | BrokenPage:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return _broken(raw, "is not UTF-8")
    if raw.startswith(b'{"unreadable":'):
        order = _id(raw[len(b'{"unreadable":') : -1])
        return BadRow("wire: unreadable order", f"the lines of order {order} cannot be told apart")
    reason = str(error) if isinstance(error, msgspec.ValidationError) else f"is not readable: {error}"
    return BadRow("wire: wrong type", reason, _composed_id(raw) or _id(raw))


class _AnyLine(msgspec.Struct, gc=False):
    Order: _Head
    Line: _Head


def _composed_id(raw: bytes) -> str | None:
    try:
        told = msgspec.json.decode(raw, type=_AnyLine)
    except (msgspec.MsgspecError, RecursionError):
        return None
    pair = (told.Order.Id, told.Line.Id)
    return line_id(*pair) if all(isinstance(part, str) and part.isprintable() for part in pair) else None


def _wrong(body: bytes) -> str:
    """Why an answer cannot be read."""
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return "is not UTF-8"
    beginning = body.lstrip()[:1]
    if not beginning:
        return "is empty, which is not the same as an answer without records"
    if beginning == b"<":
        return "is HTML or XML where JSON should be"
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return "is JSON that breaks off" if beginning in b"{[" else "is no JSON"
    return "is not what a query answers"


def _broken(body: bytes, what: str) -> BrokenPage:
    return BrokenPage(f"a page {what}; it begins: {redact.excerpt(body)!r}.", remedy=_LOOK)
