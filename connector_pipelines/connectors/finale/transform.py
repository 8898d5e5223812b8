"""Accepted Finale rows to core columns. Pure: frames in, frames out, no row is added or left out.

Types of the result: text is pandas' `str` (missing: NaN), numbers are text in plain digits without zeros at the end, so
that 1234.50 and 1.2345E3 are the same bytes, days are Arrow `date32`, `modified_at` is UTC in microseconds, `deleted`
is `bool`: Finale deletes nothing, it deactivates and cancels. Text is trimmed, an empty text is missing, and names are
in Unicode's composed form (NFC).
"""

from __future__ import annotations

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from connector_pipelines.series import arrow, day, mapped, moment, nothing, number, of_text, text

ORDER_STATUS = {
    "ORDER_CREATED": "draft",
    "ORDER_LOCKED": "open",
    "ORDER_COMPLETED": "closed",
    "ORDER_CANCELLED": "cancelled",
}
"""Finale shows them as Draft, Committed, Completed and Cancelled."""

_INACTIVE = r"_(INACTIVE|DISABLED)$"


def vendors(frame: pd.DataFrame) -> pd.DataFrame:
    """Of party groups with the role SUPPLIER."""
    return _core(
        frame,
        key="partyId",
        skip=_unless(_has_word(frame["roles"], "SUPPLIER"), "is no supplier", frame.index),
        name=text(frame["groupName"]),
        contact_email=text(frame["email"]),
        phone=text(frame["phone"]),
        address=text(frame["address"]),
        status=_activity(frame["statusId"]),
        website=nothing(frame),
        account_number=nothing(frame),
        lead_time_days=nothing(frame),
        currency=nothing(frame),
    )


def inventory_items(frame: pd.DataFrame) -> pd.DataFrame:
    """Of products. One without a name is called by its id."""
    sku = text(frame["productId"])
    return _core(
        frame,
        key="productUrl",
        sku=sku,
        name=text(frame["internalName"]).fillna(sku),
        category=text(frame["category"]),
        barcode=text(frame["universalProductCode"]),
        unit_cost=number(frame["cost"]),
        unit_price=number(frame["price"]),
        currency=text(frame["currency"]),
        quantity_on_hand=number(frame["stockOnHand"]),
        quantity_on_order=number(frame["stockOnOrder"]),
        quantity_reserved=number(frame["stockReserved"]),
        reorder_point=number(frame["stockReorderPoint"]),
        status=_activity(frame["statusId"]),
        preferred_vendor=text(frame["supplier"]),
        description=nothing(frame),
        item_type=nothing(frame),
    )


def purchase_orders(frame: pd.DataFrame) -> pd.DataFrame:
    """Of orders of type PURCHASE_ORDER."""
    return _core(
        frame,
        key="orderUrl",
        skip=_other_orders(frame),
        order_number=text(frame["orderId"]),
        order_date=day(frame["orderDate"]),
        expected_date=day(frame["receiveDate"]),
        total_amount=number(frame["total"]),
        status=_order_status(frame["statusId"]),
        vendor=text(frame["supplier"]),
        currency=nothing(frame),
        memo=nothing(frame),
    )


def purchase_order_lines(frame: pd.DataFrame) -> pd.DataFrame:
    """Of the lines of such orders. A line's status is its order's."""
    return _core(
        frame,
        key="orderItemUrl",
        skip=_other_orders(frame),
        line_number=frame["lineNumber"],
        quantity=number(frame["quantity"]),
        unit_price=number(frame["unitPrice"]),
        amount=number(frame["amount"]),
        status=_order_status(frame["statusId"]),
        purchase_order=text(frame["orderUrl"]),
        inventory_item=text(frame["product"]),
        description=nothing(frame),
        quantity_received=nothing(frame),
    )


def _core(frame: pd.DataFrame, *, key: str, skip: pd.Series | None = None, **fed: pd.Series) -> pd.DataFrame:
    """The columns every result has, and those that are fed."""
    every = {
        "external_id": text(frame[key]),
        "modified_at": moment(frame["lastUpdatedDate"]),
        "deleted": pd.Series(data=False, index=frame.index, dtype=bool),
        "skip": nothing(frame) if skip is None else skip,
    }
    return pd.DataFrame(every | fed)


def _order_status(values: pd.Series) -> pd.Series:
    return mapped(values, ORDER_STATUS)


def _activity(values: pd.Series) -> pd.Series:
    """Inactive where the constant says so, PRODUCT_INACTIVE or PARTY_DISABLED; without one, active."""
    said = pc.match_substring_regex(arrow(values), _INACTIVE).fill_null(fill_value=False)
    return of_text(pc.if_else(said, "inactive", "active"), values.index)


def _has_word(values: pd.Series, word: str) -> pa.Array:
    """Whether a list of words, joined by commas, has this one."""
    return pc.match_substring_regex(arrow(values), rf"(^|,)\s*{word}\s*(,|$)").fill_null(fill_value=False)


def _unless(kept: pa.Array, reason: str, index: pd.Index) -> pd.Series:
    """The reason for rows that belong elsewhere, null for the others."""
    return of_text(pc.if_else(kept, pa.scalar(None, pa.string()), reason), index)


def _other_orders(frame: pd.DataFrame) -> pd.Series:
    kind = arrow(frame["orderTypeId"])
    reason = pc.binary_join_element_wise("type", kind, pa.scalar("has no place in core"), " ")
    kept = pc.if_else(pc.equal(kind, "PURCHASE_ORDER"), pa.scalar(None, pa.string()), reason)
    return of_text(kept, frame.index)
