"""What we accept: for each collection the pandera model of its external columns (`columns.py`).

Text limits are ours: Finale documents none, and a name of a megabyte is a mistake. Checks look at whole columns.
"""

from __future__ import annotations

from typing import Any

import pandas as pd
import pandera.pandas as pa
from pandera.typing import Series

from connector_pipelines import checks
from connector_pipelines.checks import LONGEST_ID, LONGEST_TEXT

ORDER_STATUSES = ("ORDER_CREATED", "ORDER_LOCKED", "ORDER_COMPLETED", "ORDER_CANCELLED")
_WORD = r"[A-Z][A-Z0-9_]*"


def _word(*columns: str) -> Any:
    """A check: one of Finale's constants, known to us or not."""

    def check(_: type, values: Series[str]) -> Any:
        return values.str.strip().str.fullmatch(_WORD)

    return pa.check(*columns, error="must be a constant such as PRODUCT_ACTIVE")(check)


class Products(pa.DataFrameModel):
    """Accepted products. One without a name is known by its id."""

    productUrl: Series[str] = pa.Field()  # noqa: N815 -- Finale's names, here and below
    productId: Series[str] = pa.Field()  # noqa: N815
    internalName: Series[str] = checks.optional()  # noqa: N815
    statusId: Series[str] = pa.Field()  # noqa: N815
    category: Series[str] = checks.optional()
    universalProductCode: Series[str] = checks.optional()  # noqa: N815
    lastUpdatedDate: Series[str] = checks.optional()  # noqa: N815
    cost: Series[str] = checks.optional()
    price: Series[str] = checks.optional()
    currency: Series[str] = checks.optional()
    supplier: Series[str] = checks.optional()
    stockOnHand: Series[str] = checks.optional()  # noqa: N815
    stockOnOrder: Series[str] = checks.optional()  # noqa: N815
    stockReserved: Series[str] = checks.optional()  # noqa: N815
    stockReorderPoint: Series[str] = checks.optional()  # noqa: N815

    _not_blank = checks.present("productUrl", "productId")
    _words = _word("statusId")
    _texts = checks.text("internalName", longest=LONGEST_TEXT)
    _codes = checks.text(
        "productUrl", "productId", "category", "universalProductCode", "currency", "supplier", longest=LONGEST_ID
    )
    _numbers = checks.number("cost", "price", "stockOnHand", "stockOnOrder", "stockReserved", "stockReorderPoint")
    _modified = checks.moment("lastUpdatedDate")


class Parties(pa.DataFrameModel):
    """Accepted suppliers, and others, which belong elsewhere."""

    partyId: Series[str] = pa.Field()  # noqa: N815
    groupName: Series[str] = pa.Field()  # noqa: N815
    statusId: Series[str] = checks.optional()  # noqa: N815
    lastUpdatedDate: Series[str] = checks.optional()  # noqa: N815
    roles: Series[str] = checks.optional()
    email: Series[str] = checks.optional()
    phone: Series[str] = checks.optional()
    address: Series[str] = checks.optional()

    _not_blank = checks.present("partyId", "groupName")
    _texts = checks.text("groupName", "roles", "address", longest=LONGEST_TEXT)
    _codes = checks.text("partyId", "statusId", "email", "phone", longest=LONGEST_ID)
    _modified = checks.moment("lastUpdatedDate")


class Orders(pa.DataFrameModel):
    """Accepted orders, of every type."""

    orderUrl: Series[str] = pa.Field()  # noqa: N815
    orderId: Series[str] = checks.optional()  # noqa: N815
    orderTypeId: Series[str] = pa.Field()  # noqa: N815
    statusId: Series[str] = pa.Field()  # noqa: N815
    orderDate: Series[str] = checks.optional()  # noqa: N815
    receiveDate: Series[str] = checks.optional()  # noqa: N815
    lastUpdatedDate: Series[str] = checks.optional()  # noqa: N815
    supplier: Series[str] = checks.optional()
    total: Series[str] = checks.optional()

    _not_blank = checks.present("orderUrl")
    _words = _word("orderTypeId")
    _statuses = checks.one_of("statusId", *ORDER_STATUSES, exact=True)
    _codes = checks.text("orderUrl", "orderId", "supplier", longest=LONGEST_ID)
    _days = checks.day("orderDate", "receiveDate")
    _numbers = checks.number("total")
    _modified = checks.moment("lastUpdatedDate")


class Lines(pa.DataFrameModel):
    """Accepted lines, of orders of every type."""

    orderItemUrl: Series[str] = pa.Field()  # noqa: N815
    orderUrl: Series[str] = pa.Field()  # noqa: N815
    orderTypeId: Series[str] = pa.Field()  # noqa: N815
    statusId: Series[str] = pa.Field()  # noqa: N815
    lastUpdatedDate: Series[str] = checks.optional()  # noqa: N815
    lineNumber: Series[pd.Int64Dtype] = pa.Field()  # noqa: N815
    product: Series[str] = checks.optional()
    quantity: Series[str] = checks.optional()
    unitPrice: Series[str] = checks.optional()  # noqa: N815
    amount: Series[str] = checks.optional()

    _not_blank = checks.present("orderItemUrl", "orderUrl")
    _words = _word("orderTypeId")
    _statuses = checks.one_of("statusId", *ORDER_STATUSES, exact=True)
    _codes = checks.text("orderItemUrl", "orderUrl", "product", longest=LONGEST_ID)
    _numbers = checks.number("quantity", "unitPrice", "amount")
    _modified = checks.moment("lastUpdatedDate")
