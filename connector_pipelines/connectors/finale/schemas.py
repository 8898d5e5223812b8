"""What we accept: for each collection the pandera model of its external columns (`columns.py`).

Text limits are ours: Finale documents none, and a name of a megabyte is a mistake. Checks look at whole columns.
"""

from __future__ import annotations

from typing import Any

import pandas as pd
import pandera.pandas as pa
from pandera.typing import Series

LONGEST_ID = 255
LONGEST_TEXT = 1_000
FIRST_YEAR, LAST_YEAR = 1900, 2200
ORDER_STATUSES = ("ORDER_CREATED", "ORDER_LOCKED", "ORDER_COMPLETED", "ORDER_CANCELLED")
_ISO_DAY = r"\d{4}-\d{2}-\d{2}($|[T ])"
_NUMBER = r"-?(\d{1,20}(\.\d{0,30})?|\.\d{1,30})([eE][+-]?\d{1,2})?"
_WORD = r"[A-Z][A-Z0-9_]*"


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
    """A check: a number in plain digits or, as Java writes large ones, with an exponent."""

    def check(_: type, values: Series[str]) -> Any:
        texts = values.str.strip()
        return texts.str.fullmatch(_NUMBER) | (texts == "")

    return pa.check(*columns, error="must be a number")(check)


def _word(*columns: str) -> Any:
    """A check: one of Finale's constants, known to us or not."""

    def check(_: type, values: Series[str]) -> Any:
        return values.str.strip().str.fullmatch(_WORD)

    return pa.check(*columns, error="must be a constant such as PRODUCT_ACTIVE")(check)


def _one_of(column: str, allowed: tuple[str, ...]) -> Any:
    def check(_: type, values: Series[str]) -> Any:
        return values.str.strip().isin(allowed)

    return pa.check(column, error=f"must be one of {', '.join(allowed)}")(check)


def _day(*columns: str) -> Any:
    """A check: a calendar day, or the beginning of a time stamp, in a plausible year."""

    def check(_: type, values: Series[str]) -> Any:
        texts = values.str.strip()
        days = pd.to_datetime(texts.str.slice(0, 10), format="%Y-%m-%d", errors="coerce")
        return (days.dt.year.between(FIRST_YEAR, LAST_YEAR) & texts.str.match(_ISO_DAY)) | (texts == "")

    return pa.check(*columns, error=f"must be a day from {FIRST_YEAR} to {LAST_YEAR}, as YYYY-MM-DD")(check)


def _moment(column: str) -> Any:
    """A check: a time that can be read, in a plausible year."""

    def check(_: type, values: Series[str]) -> Any:
        moments = pd.to_datetime(values, format="ISO8601", utc=True, errors="coerce")
        return moments.dt.year.between(FIRST_YEAR, LAST_YEAR) | (values.str.strip() == "")

    return pa.check(column, error=f"must be an ISO 8601 time from {FIRST_YEAR} to {LAST_YEAR}")(check)


class Products(pa.DataFrameModel):
    """Accepted products. One without a name is known by its id."""

    productUrl: Series[str] = pa.Field()  # noqa: N815 -- Finale's names, here and below
    productId: Series[str] = pa.Field()  # noqa: N815
    internalName: Series[str] = _optional()  # noqa: N815
    statusId: Series[str] = pa.Field()  # noqa: N815
    category: Series[str] = _optional()
    universalProductCode: Series[str] = _optional()  # noqa: N815
    lastUpdatedDate: Series[str] = _optional()  # noqa: N815
    cost: Series[str] = _optional()
    price: Series[str] = _optional()
    currency: Series[str] = _optional()
    supplier: Series[str] = _optional()
    stockOnHand: Series[str] = _optional()  # noqa: N815
    stockOnOrder: Series[str] = _optional()  # noqa: N815
    stockReserved: Series[str] = _optional()  # noqa: N815
    stockReorderPoint: Series[str] = _optional()  # noqa: N815

    _not_blank = _present("productUrl", "productId")
    _words = _word("statusId")
    _texts = _text("internalName", longest=LONGEST_TEXT)
    _codes = _text(
        "productUrl", "productId", "category", "universalProductCode", "currency", "supplier", longest=LONGEST_ID
    )
    _numbers = _number("cost", "price", "stockOnHand", "stockOnOrder", "stockReserved", "stockReorderPoint")
    _modified = _moment("lastUpdatedDate")


class Parties(pa.DataFrameModel):
    """Accepted suppliers, and others, which belong elsewhere."""

    partyId: Series[str] = pa.Field()  # noqa: N815
    groupName: Series[str] = pa.Field()  # noqa: N815
    statusId: Series[str] = _optional()  # noqa: N815
    lastUpdatedDate: Series[str] = _optional()  # noqa: N815
    roles: Series[str] = _optional()
    email: Series[str] = _optional()
    phone: Series[str] = _optional()
    address: Series[str] = _optional()

    _not_blank = _present("partyId", "groupName")
    _texts = _text("groupName", "roles", "address", longest=LONGEST_TEXT)
    _codes = _text("partyId", "statusId", "email", "phone", longest=LONGEST_ID)
    _modified = _moment("lastUpdatedDate")


class Orders(pa.DataFrameModel):
    """Accepted orders, of every type."""

    orderUrl: Series[str] = pa.Field()  # noqa: N815
    orderId: Series[str] = _optional()  # noqa: N815
    orderTypeId: Series[str] = pa.Field()  # noqa: N815
    statusId: Series[str] = pa.Field()  # noqa: N815
    orderDate: Series[str] = _optional()  # noqa: N815
    receiveDate: Series[str] = _optional()  # noqa: N815
    lastUpdatedDate: Series[str] = _optional()  # noqa: N815
    supplier: Series[str] = _optional()
    total: Series[str] = _optional()

    _not_blank = _present("orderUrl")
    _words = _word("orderTypeId")
    _statuses = _one_of("statusId", ORDER_STATUSES)
    _codes = _text("orderUrl", "orderId", "supplier", longest=LONGEST_ID)
    _days = _day("orderDate", "receiveDate")
    _numbers = _number("total")
    _modified = _moment("lastUpdatedDate")


class Lines(pa.DataFrameModel):
    """Accepted lines, of orders of every type."""

    orderItemUrl: Series[str] = pa.Field()  # noqa: N815
    orderUrl: Series[str] = pa.Field()  # noqa: N815
    orderTypeId: Series[str] = pa.Field()  # noqa: N815
    statusId: Series[str] = pa.Field()  # noqa: N815
    lastUpdatedDate: Series[str] = _optional()  # noqa: N815
    lineNumber: Series[str] = pa.Field()  # noqa: N815
    product: Series[str] = _optional()
    quantity: Series[str] = _optional()
    unitPrice: Series[str] = _optional()  # noqa: N815
    amount: Series[str] = _optional()

    _not_blank = _present("orderItemUrl", "orderUrl")
    _words = _word("orderTypeId")
    _statuses = _one_of("statusId", ORDER_STATUSES)
    _codes = _text("orderItemUrl", "orderUrl", "product", longest=LONGEST_ID)
    _numbers = _number("quantity", "unitPrice", "amount")
    _modified = _moment("lastUpdatedDate")
