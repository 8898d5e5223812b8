"""Accepted QuickBooks rows to core columns. Pure: frames in, frames out, no row is added or left out.

Types of the result: text is pandas' `str` (missing: NaN), numbers are decimal text for NUMERIC columns, days are Arrow
`date32`, `modified_at` is UTC in microseconds, `deleted` is `bool`. Text is trimmed, an empty text is missing, and
names are in Unicode's composed form (NFC), so that the same name from two systems is the same bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Sequence

ORDERING = ("ItemBasedExpenseLineDetail", "AccountBasedExpenseLineDetail")
"""Lines that order something; others are subtotals and remarks."""

_TEXT = pd.StringDtype("pyarrow", na_value=np.nan)
_DAY = pd.ArrowDtype(pa.date32())
_MODIFIED = pd.DatetimeTZDtype("us", "UTC")


def inventory_items(frame: pd.DataFrame, *, types: Sequence[str]) -> pd.DataFrame:
    """Of items.

    Args:
        frame: accepted items.
        types: which feed core; of the others, categories for one, the rows say why they are skipped.
    """
    return _core(
        frame,
        skip=_other_types(frame["Type"], types),
        sku=_text(frame["Sku"]),
        name=_text(frame["Name"]),
        description=_text(frame["Description"]),
        item_type=_text(frame["Type"]),
        category=_text(frame["Parent"]),
        barcode=_nothing(frame),
        unit_cost=_text(frame["PurchaseCost"]),
        unit_price=_text(frame["UnitPrice"]),
        currency=_nothing(frame),
        quantity_on_hand=_text(frame["QtyOnHand"]),
        quantity_on_order=_text(frame["QtyOnPurchaseOrder"]),
        quantity_reserved=_text(frame["QtyOnSalesOrder"]),
        reorder_point=_text(frame["ReorderPoint"]),
        status=_active(frame["Active"]),
        preferred_vendor=_text(frame["PrefVendor"]),
    )


def vendors(frame: pd.DataFrame) -> pd.DataFrame:
    """Of vendors."""
    return _core(
        frame,
        name=_text(frame["Name"]),
        contact_email=_text(frame["Email"]),
        phone=_text(frame["Phone"]),
        website=_text(frame["WebAddr"]),
        address=_text(frame["BillAddr"]),
        account_number=_text(frame["AcctNum"]),
        lead_time_days=pd.Series(pd.NA, index=frame.index, dtype=pd.Int64Dtype()),
        currency=_text(frame["Currency"]),
        status=_active(frame["Active"]),
    )


def purchase_orders(frame: pd.DataFrame) -> pd.DataFrame:
    """Of purchase orders, without their lines."""
    return _core(
        frame,
        gone="cancelled",
        order_number=_text(frame["DocNumber"]),
        order_date=_day(frame["TxnDate"]),
        expected_date=_day(frame["ExpectedDate"]),
        total_amount=_text(frame["TotalAmt"]),
        currency=_text(frame["Currency"]),
        memo=_text(frame["Memo"]),
        status=_order_status(frame["POStatus"]),
        vendor=_text(frame["Vendor"]),
    )


def purchase_order_lines(frame: pd.DataFrame) -> pd.DataFrame:
    """Of the lines of purchase orders."""
    return _core(
        frame,
        skip=_other_lines(frame["DetailType"]),
        line_number=frame["LineNum"],
        description=_text(frame["Description"]),
        quantity=_text(frame["Qty"]),
        quantity_received=_text(frame["Received"]),
        unit_price=_text(frame["UnitPrice"]),
        amount=_text(frame["Amount"]),
        status=_order_status(frame["POStatus"]),
        purchase_order=_text(frame["Order"]),
        inventory_item=_text(frame["Item"]),
    )


def _core(
    frame: pd.DataFrame, *, skip: pd.Series | None = None, gone: str = "inactive", **fed: pd.Series
) -> pd.DataFrame:
    """The columns every result has, and those that are fed.

    Of a deleted record nothing but the id is sent: it says its status, and nothing else.

    Args:
        frame: accepted rows.
        skip: why rows are skipped.
        gone: the status of a deleted record.
        fed: the columns.
    """
    deleted = _deleted(frame)
    every = {
        "external_id": _text(frame["Id"]),
        "modified_at": _moment(frame["LastUpdatedTime"]),
        "deleted": deleted,
        "skip": _nothing(frame) if skip is None else skip,
    }
    said = {name: values.mask(deleted, gone if name == "status" else None) for name, values in fed.items()}
    return pd.DataFrame(every | (said if deleted.any() else fed))


def _arrow(values: pd.Series) -> pa.Array:
    """Trimmed, composed, an empty text as null."""
    array = pa.array(values, type=pa.string(), from_pandas=True)
    trimmed = pc.utf8_trim_whitespace(array)
    if not pc.all(pc.string_is_ascii(trimmed), skip_nulls=True).as_py():
        trimmed = pc.utf8_normalize(trimmed, form="NFC")
    return pc.if_else(pc.equal(trimmed, ""), pa.scalar(None, pa.string()), trimmed)


def _series(array: pa.Array, like: pd.Series) -> pd.Series:
    return pd.Series(pd.array(array, dtype=_TEXT), index=like.index)


def _text(values: pd.Series) -> pd.Series:
    return _series(_arrow(values), values)


def _nothing(frame: pd.DataFrame) -> pd.Series:
    """For what QuickBooks does not know: barcodes, and the home currency, which its prices are in."""
    return pd.Series(None, index=frame.index, dtype=_TEXT)


def _deleted(frame: pd.DataFrame) -> pd.Series:
    """Whether a row says of itself that it was deleted; lines never do."""
    if "status" not in frame:
        return pd.Series(data=False, index=frame.index)
    said = pc.equal(pc.utf8_lower(_arrow(frame["status"])), "deleted")
    return pd.Series(pc.fill_null(said, fill_value=False).to_numpy(zero_copy_only=False), index=frame.index)


def _other_types(types: pd.Series, wanted: Sequence[str]) -> pd.Series:
    """Why an item is skipped; null for those of a wanted type. An item without a type is from before there were any."""
    said = _arrow(types)
    reason = pc.binary_join_element_wise("type", said, pa.scalar("is not among item_types"), " ")
    kept = pc.or_kleene(pc.is_in(said, pa.array(wanted, pa.string())), pc.is_null(said))
    return _series(pc.if_else(kept, pa.scalar(None, pa.string()), reason), types)


def _other_lines(details: pd.Series) -> pd.Series:
    """Why a line is skipped; null for those that order something."""
    said = pc.coalesce(_arrow(details), pa.scalar("without DetailType"))
    reason = pc.binary_join_element_wise(said, pa.scalar("orders nothing"), " ")
    kept = pc.is_in(said, pa.array(ORDERING))
    return _series(pc.if_else(kept, pa.scalar(None, pa.string()), reason), details)


def _active(flags: pd.Series) -> pd.Series:
    """A record that does not say is active: QuickBooks leaves out what is as usual."""
    active = flags.astype(pd.BooleanDtype()).fillna(value=True).to_numpy(dtype=bool)
    return pd.Series(np.where(active, "active", "inactive"), index=flags.index, dtype=_TEXT)


def _order_status(words: pd.Series) -> pd.Series:
    """Open or closed; an order that does not say is open."""
    said = pc.fill_null(pc.equal(pc.utf8_lower(_arrow(words)), "closed"), fill_value=False)
    return _series(pc.if_else(said, "closed", "open"), words)


def _day(values: pd.Series) -> pd.Series:
    days = pc.utf8_slice_codeunits(_arrow(values), 0, 10).cast(pa.date32())
    return pd.Series(pd.array(days, dtype=_DAY), index=values.index)


def _moment(values: pd.Series) -> pd.Series:
    """A time without zone is UTC."""
    moments: pd.Series = pd.to_datetime(values.replace("", None), format="ISO8601", utc=True, errors="coerce")
    return moments.astype(_MODIFIED)
