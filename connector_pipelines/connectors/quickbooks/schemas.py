"""What we accept: for each table the pandera model of its external columns (`columns.py`).

Names and limits are those of QuickBooks where it has any (names 500 and 1,000 characters), else ours. Checks look at
whole columns.
"""

from __future__ import annotations

from typing import Any

import pandas as pd
import pandera.pandas as pa
from pandera.typing import Series

from connector_pipelines import checks
from connector_pipelines.checks import LONGEST_ID, LONGEST_TEXT

LONGEST_NOTE = 4_000
_NUMBER = r"-?\d{1,20}(\.\d{1,20})?$"
LAST_LINE = 2**31 - 1  # of an INTEGER column


def _number(*columns: str) -> Any:
    """A check: a number that can be money or a quantity."""

    def check(_: type, values: Series[str]) -> Any:
        return values.str.match(_NUMBER)

    return pa.check(*columns, error="must be a number of at most 20 digits before and after the point")(check)


class External(pa.DataFrameModel):
    """What every accepted record has: an id that can be a key, and a time that can be read."""

    Id: Series[str] = pa.Field()
    LastUpdatedTime: Series[str] = checks.optional()

    _id_length = checks.text("Id", longest=LONGEST_ID)
    _id_present = checks.present("Id")

    _modified = checks.moment("LastUpdatedTime")


class _Deletable(External):
    """Records of their own, of which change data capture may say that they are deleted."""

    status: Series[str] = checks.optional()

    _status_short = checks.text("status", longest=LONGEST_ID)


class Items(_Deletable):
    """Accepted items."""

    Name: Series[str] = pa.Field()
    Sku: Series[str] = checks.optional()
    Description: Series[str] = checks.optional()
    Active: Series[pd.BooleanDtype] = checks.optional()
    Type: Series[str] = checks.optional()
    Parent: Series[str] = checks.optional()
    UnitPrice: Series[str] = checks.optional()
    PurchaseCost: Series[str] = checks.optional()
    QtyOnHand: Series[str] = checks.optional()
    QtyOnPurchaseOrder: Series[str] = checks.optional()
    QtyOnSalesOrder: Series[str] = checks.optional()
    ReorderPoint: Series[str] = checks.optional()
    PrefVendor: Series[str] = checks.optional()

    _not_blank = checks.present("Name")
    _names = checks.text("Name", "Parent", longest=LONGEST_TEXT)
    _notes = checks.text("Description", longest=LONGEST_NOTE)
    _codes = checks.text("Sku", "Type", "PrefVendor", longest=LONGEST_ID)
    _numbers = _number(
        "UnitPrice", "PurchaseCost", "QtyOnHand", "QtyOnPurchaseOrder", "QtyOnSalesOrder", "ReorderPoint"
    )


class Vendors(_Deletable):
    """Accepted vendors."""

    Name: Series[str] = pa.Field()
    Active: Series[pd.BooleanDtype] = checks.optional()
    Email: Series[str] = checks.optional()
    Phone: Series[str] = checks.optional()
    WebAddr: Series[str] = checks.optional()
    BillAddr: Series[str] = checks.optional()
    AcctNum: Series[str] = checks.optional()
    Currency: Series[str] = checks.optional()

    _not_blank = checks.present("Name")
    _names = checks.text("Name", "WebAddr", longest=LONGEST_TEXT)
    _notes = checks.text("BillAddr", longest=LONGEST_NOTE)
    _codes = checks.text("Email", "Phone", "AcctNum", "Currency", longest=LONGEST_ID)


class PurchaseOrders(_Deletable):
    """Accepted purchase orders."""

    DocNumber: Series[str] = checks.optional()
    TxnDate: Series[str] = checks.optional()
    ExpectedDate: Series[str] = checks.optional()
    TotalAmt: Series[str] = checks.optional()
    Currency: Series[str] = checks.optional()
    Memo: Series[str] = checks.optional()
    POStatus: Series[str] = checks.optional()
    Vendor: Series[str] = checks.optional()

    _days = checks.day("TxnDate", "ExpectedDate")
    _numbers = _number("TotalAmt")
    _notes = checks.text("Memo", longest=LONGEST_NOTE)
    _codes = checks.text("DocNumber", "Currency", "Vendor", longest=LONGEST_ID)
    _known = checks.one_of("POStatus", "Open", "Closed")


class Lines(External):
    """Accepted lines of purchase orders."""

    Order: Series[str] = pa.Field()
    POStatus: Series[str] = checks.optional()
    LineNum: Series[pd.Int64Dtype] = pa.Field(nullable=True, ge=0, le=LAST_LINE)
    Description: Series[str] = checks.optional()
    Amount: Series[str] = checks.optional()
    Received: Series[str] = checks.optional()
    DetailType: Series[str] = checks.optional()
    Qty: Series[str] = checks.optional()
    UnitPrice: Series[str] = checks.optional()
    Item: Series[str] = checks.optional()

    _not_blank = checks.present("Order")
    _notes = checks.text("Description", longest=LONGEST_NOTE)
    _codes = checks.text("Order", "DetailType", "Item", longest=LONGEST_ID)
    _numbers = _number("Amount", "Received", "Qty", "UnitPrice")
    _known = checks.one_of("POStatus", "Open", "Closed")
