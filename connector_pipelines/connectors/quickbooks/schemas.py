"""What we accept: for each table the pandera model of its external columns (`columns.py`).

Names and limits are those of QuickBooks where it has any (names 500 and 1,000 characters), else ours. Checks look at
whole columns.
"""

from __future__ import annotations

from typing import Any

import pandas as pd
import pandera.pandas as pa
from pandera.typing import Series

LONGEST_ID = 255
LONGEST_TEXT = 1_000
LONGEST_NOTE = 4_000
FIRST_YEAR, LAST_YEAR = 1900, 2200
_NUMBER = r"-?\d{1,20}(\.\d{1,20})?$"
_ISO_DAY = r"\d{4}-\d{2}-\d{2}($|[T ])"
LAST_LINE = 2**31 - 1  # of an INTEGER column


def _optional() -> Any:
    return pa.Field(nullable=True)


def _text(*columns: str, longest: int) -> Any:
    """A check: short enough, and storable. PostgreSQL has no NUL in text."""

    def check(_: type, values: Series[str]) -> Any:
        return (values.str.len() <= longest) & ~values.str.contains("\x00", regex=False)

    return pa.check(*columns, error=f"must have at most {longest:,} characters and no NUL")(check)


def _present(*columns: str) -> Any:
    """A check: more than blanks. That it is not null is said by the column."""

    def check(_: type, values: Series[str]) -> Any:
        return values.str.strip().str.len() > 0

    return pa.check(*columns, error="must not be blank")(check)


def _number(*columns: str) -> Any:
    """A check: a number that can be money or a quantity."""

    def check(_: type, values: Series[str]) -> Any:
        return values.str.match(_NUMBER)

    return pa.check(*columns, error="must be a number of at most 20 digits before and after the point")(check)


def _day(*columns: str) -> Any:
    """A check: a calendar day in a plausible year."""

    def check(_: type, values: Series[str]) -> Any:
        texts = values.str.strip()
        days = pd.to_datetime(texts.str.slice(0, 10), format="%Y-%m-%d", errors="coerce")
        return (days.dt.year.between(FIRST_YEAR, LAST_YEAR) & texts.str.match(_ISO_DAY)) | (texts == "")

    return pa.check(*columns, error=f"must be a day from {FIRST_YEAR} to {LAST_YEAR}, as YYYY-MM-DD")(check)


def _one_of(column: str, *allowed: str) -> Any:
    def check(_: type, values: Series[str]) -> Any:
        return values.str.strip().str.lower().isin([*(word.lower() for word in allowed), ""])

    return pa.check(column, error=f"must be one of {', '.join(allowed)}")(check)


class External(pa.DataFrameModel):
    """What every accepted record has: an id that can be a key, and a time that can be read."""

    Id: Series[str] = pa.Field()
    LastUpdatedTime: Series[str] = _optional()

    _id_length = _text("Id", longest=LONGEST_ID)
    _id_present = _present("Id")

    @pa.check("LastUpdatedTime", error=f"must be an ISO 8601 time from {FIRST_YEAR} to {LAST_YEAR}")
    @classmethod
    def _modified_readable(cls, values: Series[str]) -> Any:
        moments = pd.to_datetime(values, format="ISO8601", utc=True, errors="coerce")
        return moments.dt.year.between(FIRST_YEAR, LAST_YEAR) | (values.str.strip() == "")


class _Deletable(External):
    """Records of their own, of which change data capture may say that they are deleted."""

    status: Series[str] = _optional()

    _status_short = _text("status", longest=LONGEST_ID)


class Items(_Deletable):
    """Accepted items."""

    Name: Series[str] = pa.Field()
    Sku: Series[str] = _optional()
    Description: Series[str] = _optional()
    Active: Series[pd.BooleanDtype] = _optional()
    Type: Series[str] = _optional()
    Parent: Series[str] = _optional()
    UnitPrice: Series[str] = _optional()
    PurchaseCost: Series[str] = _optional()
    QtyOnHand: Series[str] = _optional()
    QtyOnPurchaseOrder: Series[str] = _optional()
    QtyOnSalesOrder: Series[str] = _optional()
    ReorderPoint: Series[str] = _optional()
    PrefVendor: Series[str] = _optional()

    _not_blank = _present("Name")
    _names = _text("Name", "Parent", longest=LONGEST_TEXT)
    _notes = _text("Description", longest=LONGEST_NOTE)
    _codes = _text("Sku", "Type", "PrefVendor", longest=LONGEST_ID)
    _numbers = _number(
        "UnitPrice", "PurchaseCost", "QtyOnHand", "QtyOnPurchaseOrder", "QtyOnSalesOrder", "ReorderPoint"
    )


class Vendors(_Deletable):
    """Accepted vendors."""

    Name: Series[str] = pa.Field()
    Active: Series[pd.BooleanDtype] = _optional()
    Email: Series[str] = _optional()
    Phone: Series[str] = _optional()
    WebAddr: Series[str] = _optional()
    BillAddr: Series[str] = _optional()
    AcctNum: Series[str] = _optional()
    Currency: Series[str] = _optional()

    _not_blank = _present("Name")
    _names = _text("Name", "WebAddr", longest=LONGEST_TEXT)
    _notes = _text("BillAddr", longest=LONGEST_NOTE)
    _codes = _text("Email", "Phone", "AcctNum", "Currency", longest=LONGEST_ID)


class PurchaseOrders(_Deletable):
    """Accepted purchase orders."""

    DocNumber: Series[str] = _optional()
    TxnDate: Series[str] = _optional()
    ExpectedDate: Series[str] = _optional()
    TotalAmt: Series[str] = _optional()
    Currency: Series[str] = _optional()
    Memo: Series[str] = _optional()
    POStatus: Series[str] = _optional()
    Vendor: Series[str] = _optional()

    _days = _day("TxnDate", "ExpectedDate")
    _numbers = _number("TotalAmt")
    _notes = _text("Memo", longest=LONGEST_NOTE)
    _codes = _text("DocNumber", "Currency", "Vendor", longest=LONGEST_ID)
    _known = _one_of("POStatus", "Open", "Closed")


class Lines(External):
    """Accepted lines of purchase orders."""

    Order: Series[str] = pa.Field()
    POStatus: Series[str] = _optional()
    LineNum: Series[pd.Int64Dtype] = pa.Field(nullable=True, ge=0, le=LAST_LINE)
    Description: Series[str] = _optional()
    Amount: Series[str] = _optional()
    Received: Series[str] = _optional()
    DetailType: Series[str] = _optional()
    Qty: Series[str] = _optional()
    UnitPrice: Series[str] = _optional()
    Item: Series[str] = _optional()

    _not_blank = _present("Order")
    _notes = _text("Description", longest=LONGEST_NOTE)
    _codes = _text("Order", "DetailType", "Item", longest=LONGEST_ID)
    _numbers = _number("Amount", "Received", "Qty", "UnitPrice")
    _known = _one_of("POStatus", "Open", "Closed")
