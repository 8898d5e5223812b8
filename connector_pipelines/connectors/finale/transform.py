"""Accepted Finale rows to core columns. Pure: frames in, frames out, no row is added or left out.

Types of the result: text is pandas' `str` (missing: NaN), numbers are text in plain digits without zeros at the end, so
that 1234.50 and 1.2345E3 are the same bytes, days are Arrow `date32`, `modified_at` is UTC in microseconds, `deleted`
is `bool`: Finale deletes nothing, it deactivates and cancels. Text is trimmed, an empty text is missing, and names are
in Unicode's composed form (NFC).
"""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

ORDER_STATUS = {
    "ORDER_CREATED": "draft",
    "ORDER_LOCKED": "open",
    "ORDER_COMPLETED": "closed",
    "ORDER_CANCELLED": "cancelled",
}
"""Finale shows them as Draft, Committed, Completed and Cancelled."""

_INACTIVE = r"_(INACTIVE|DISABLED)$"
_TEXT = pd.StringDtype("pyarrow", na_value=np.nan)
_DAY = pd.ArrowDtype(pa.date32())
_MODIFIED = pd.DatetimeTZDtype("us", "UTC")


def vendors(frame: pd.DataFrame) -> pd.DataFrame:
    """Of party groups with the role SUPPLIER."""
    return _core(
        frame,
        key="partyId",
        skip=_unless(_has_word(frame["roles"], "SUPPLIER"), "is no supplier", frame.index),
        name=_text(frame["groupName"]),
        contact_email=_text(frame["email"]),
        phone=_text(frame["phone"]),
        address=_text(frame["address"]),
        status=_activity(frame["statusId"]),
        website=_nothing(frame),
        account_number=_nothing(frame),
        lead_time_days=_nothing(frame),
        currency=_nothing(frame),
    )


def inventory_items(frame: pd.DataFrame) -> pd.DataFrame:
    """Of products. One without a name is called by its id."""
    sku = _text(frame["productId"])
    return _core(
        frame,
        key="productUrl",
        sku=sku,
        name=_text(frame["internalName"]).fillna(sku),
        category=_text(frame["category"]),
        barcode=_text(frame["universalProductCode"]),
        unit_cost=_number(frame["cost"]),
        unit_price=_number(frame["price"]),
        currency=_text(frame["currency"]),
        quantity_on_hand=_number(frame["stockOnHand"]),
        quantity_on_order=_number(frame["stockOnOrder"]),
        quantity_reserved=_number(frame["stockReserved"]),
        reorder_point=_number(frame["stockReorderPoint"]),
        status=_activity(frame["statusId"]),
        preferred_vendor=_text(frame["supplier"]),
        description=_nothing(frame),
        item_type=_nothing(frame),
    )


def purchase_orders(frame: pd.DataFrame) -> pd.DataFrame:
    """Of orders of type PURCHASE_ORDER."""
    return _core(
        frame,
        key="orderUrl",
        skip=_other_orders(frame),
        order_number=_text(frame["orderId"]),
        order_date=_day(frame["orderDate"]),
        expected_date=_day(frame["receiveDate"]),
        total_amount=_number(frame["total"]),
        status=_order_status(frame["statusId"]),
        vendor=_text(frame["supplier"]),
        currency=_nothing(frame),
        memo=_nothing(frame),
    )


def purchase_order_lines(frame: pd.DataFrame) -> pd.DataFrame:
    """Of the lines of such orders. A line's status is its order's."""
    return _core(
        frame,
        key="orderItemUrl",
        skip=_other_orders(frame),
        line_number=pd.to_numeric(frame["lineNumber"]).astype("Int64"),
        quantity=_number(frame["quantity"]),
        unit_price=_number(frame["unitPrice"]),
        amount=_number(frame["amount"]),
        status=_order_status(frame["statusId"]),
        purchase_order=_text(frame["orderUrl"]),
        inventory_item=_text(frame["product"]),
        description=_nothing(frame),
        quantity_received=_nothing(frame),
    )


def _core(frame: pd.DataFrame, *, key: str, skip: pd.Series | None = None, **fed: pd.Series) -> pd.DataFrame:
    """The columns every result has, and those that are fed."""
    every = {
        "external_id": _text(frame[key]),
        "modified_at": _moment(frame["lastUpdatedDate"]),
        "deleted": pd.Series(data=False, index=frame.index, dtype=bool),
        "skip": _nothing(frame) if skip is None else skip,
    }
    return pd.DataFrame(every | fed)


def _nothing(frame: pd.DataFrame) -> pd.Series:
    """What Finale does not send."""
    return pd.Series(None, index=frame.index, dtype=_TEXT)


def _arrow(values: pd.Series) -> pa.Array:
    """Trimmed, composed, an empty text as null."""
    array = pa.array(values, type=pa.string(), from_pandas=True)
    trimmed = pc.utf8_trim_whitespace(array)
    if not pc.all(pc.string_is_ascii(trimmed), skip_nulls=True).as_py():
        trimmed = pc.utf8_normalize(trimmed, form="NFC")
    return pc.if_else(pc.equal(trimmed, ""), pa.scalar(None, pa.string()), trimmed)


def _series(array: pa.Array, index: pd.Index) -> pd.Series:
    return pd.Series(pd.array(array, dtype=_TEXT), index=index)


def _text(values: pd.Series) -> pd.Series:
    return _series(_arrow(values), values.index)


def _number(values: pd.Series) -> pd.Series:
    """In plain digits. Each different number is spelled once: prices and quantities repeat."""
    coded = _arrow(values).dictionary_encode()
    spelled = pa.array([_plain(text) for text in coded.dictionary.to_pylist()], pa.string())
    return _series(spelled.take(coded.indices), values.index)


def _plain(text: str) -> str:
    digits = format(Decimal(text), "f")
    bare = digits.rstrip("0").rstrip(".") if "." in digits else digits
    return "0" if bare in {"-0", ""} else bare


def _mapped(values: pd.Series, words: dict[str, str]) -> pd.Series:
    known = pa.array(words.values(), pa.string())
    return _series(known.take(pc.index_in(_arrow(values), pa.array(words, pa.string()))), values.index)


def _order_status(values: pd.Series) -> pd.Series:
    return _mapped(values, ORDER_STATUS)


def _activity(values: pd.Series) -> pd.Series:
    """Inactive where the constant says so, PRODUCT_INACTIVE or PARTY_DISABLED; without one, active."""
    said = pc.match_substring_regex(_arrow(values), _INACTIVE).fill_null(fill_value=False)
    return _series(pc.if_else(said, "inactive", "active"), values.index)


def _has_word(values: pd.Series, word: str) -> pa.Array:
    """Whether a list of words, joined by commas, has this one."""
    return pc.match_substring_regex(_arrow(values), rf"(^|,)\s*{word}\s*(,|$)").fill_null(fill_value=False)


def _unless(kept: pa.Array, reason: str, index: pd.Index) -> pd.Series:
    """The reason for rows that belong elsewhere, null for the others."""
    return _series(pc.if_else(kept, pa.scalar(None, pa.string()), reason), index)


def _other_orders(frame: pd.DataFrame) -> pd.Series:
    kind = _arrow(frame["orderTypeId"])
    reason = pc.binary_join_element_wise("type", kind, pa.scalar("has no place in core"), " ")
    kept = pc.if_else(pc.equal(kind, "PURCHASE_ORDER"), pa.scalar(None, pa.string()), reason)
    return _series(kept, frame.index)


def _day(values: pd.Series) -> pd.Series:
    """Of a time stamp the day, as it was written."""
    days = pc.utf8_slice_codeunits(_arrow(values), 0, 10).cast(pa.date32())
    return pd.Series(pd.array(days, dtype=_DAY), index=values.index)


def _moment(values: pd.Series) -> pd.Series:
    """A time without zone is UTC: filters are written in UTC, and answers name no zone."""
    moments: pd.Series = pd.to_datetime(values.replace("", None), format="ISO8601", utc=True, errors="coerce")
    return moments.astype(_MODIFIED)
